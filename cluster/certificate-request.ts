/** What a PKCS#10 certificate signing request asks for; everything in it is a claim of the requester. */
export interface RequestedCertificate {
  readonly subject: {
    /** Empty if the subject has none. */
    readonly commonName: string;
    readonly organizations: readonly string[];
    /** Every other attribute as `<name or OID>=<value>`; a node's request has none. */
    readonly otherAttributes: readonly string[];
  };
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  readonly uriSans: readonly string[];
  /** Names of kinds that Kubernetes has no use for, by their tag number in RFC 5280's GeneralName. */
  readonly otherSans: readonly number[];
  /** OIDs of requested extensions besides the subject alternative names. */
  readonly otherExtensions: readonly string[];
  readonly publicKey: {
    readonly type: string;
    readonly bits: number;
    /** Fingerprint: sha256 of its SubjectPublicKeyInfo (DER), hexadecimal. */
    readonly sha256: string;
  };
  /** Whether the requester holds the private key of `publicKey`. */
  readonly signatureValid: boolean;
}

/** What a kubelet asks certificates for. */
export type RequestPurpose = 'client' | 'serving';

/**
 * A node's certificate request as a person, or a rule, sees it: all that a statement about it has to name, in words and
 * by digest.
 */
export interface CertificateRequest {
  readonly node: string;
  readonly purpose: RequestPurpose;
  /** Name of the CertificateSigningRequest object. */
  readonly name: string;
  /** Tells the object from others that had, or will have, its name. */
  readonly uid: string;
  /** sha256 of the object's name, uid and whole spec, in hexadecimal: what a person decides about is this and no other. */
  readonly csrSha256: string;
  /** Who asks, e.g. `system:bootstrap:ab12cd`. */
  readonly requester: string;
  readonly signer: string;
  /** e.g. `CN=system:node:node01, O=system:nodes`. */
  readonly subject: string;
  readonly usages: readonly string[];
  /** DNS names and addresses that it asks for; none in a request for a client certificate. */
  readonly names: readonly string[];
  /** e.g. `EC 256`. */
  readonly key: string;
  /** Fingerprint of the key: sha256 of its SubjectPublicKeyInfo, in hexadecimal. */
  readonly keySha256: string;
}
