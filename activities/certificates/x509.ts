import { createHash, type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import {
  type Asn1,
  bitString,
  Class,
  content,
  decode,
  encode,
  members,
  objectIdentifier,
  primitive,
  sequence,
  time,
  Type,
} from './der.js';

/** What is certified: everything that goes into a certificate beside its issuer's name and signature. */
export interface CertificateContent {
  /** Hexadecimal; its first byte is from 01 to 7f. */
  readonly serialNumber: string;
  readonly subject: Asn1;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Extension[];
}

/** An extension as forge's `setExtensions` takes it, e.g. `{ name: 'basicConstraints', critical: true, cA: true }`. */
export type Extension = { readonly name: string } & Readonly<Record<string, unknown>>;

/** Each whole extension, DER in hexadecimal, by its OID. */
export type EncodedExtensions = ReadonlyMap<string, string>;

const VERSION_3 = '\x02';

/**
 * By kind of the signer's key. The identifier for ECDSA goes without parameters (RFC 5758, section 3.2), the one for RSA
 * with NULL (RFC 4055, section 5).
 */
const signatureAlgorithms: Readonly<Record<string, Asn1>> = {
  ec: sequence(objectIdentifier('1.2.840.10045.4.3.2')),
  rsa: sequence(objectIdentifier('1.2.840.113549.1.1.11'), primitive(Type.NULL, '')),
};

/**
 * Assembles a certificate (RFC 5280, section 4.1) and signs it with SHA-256; forge's own assembly knows RSA keys alone.
 *
 * @returns PEM.
 * @throws RangeError if the signer's key is neither EC nor RSA.
 */
export function signedCertificate(
  certified: CertificateContent,
  signer: { readonly name: Asn1; readonly privateKey: KeyObject },
): string {
  const type = signer.privateKey.asymmetricKeyType ?? 'unknown';
  const algorithm = signatureAlgorithms[type];
  if (algorithm === undefined)
    throw new RangeError(`an authority with a key of type ${type} cannot sign: use EC or RSA`);
  const toBeSigned = sequence(
    forge.asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, [primitive(Type.INTEGER, VERSION_3)]),
    primitive(Type.INTEGER, forge.util.hexToBytes(certified.serialNumber)),
    algorithm,
    signer.name,
    sequence(time(certified.notBefore), time(certified.notAfter)),
    certified.subject,
    subjectPublicKeyInfo(certified.publicKey),
    extensionsToAsn1(certified.extensions),
  );
  const signature = sign('sha256', encode(toBeSigned), signer.privateKey).toString('latin1');
  return new X509Certificate(encode(sequence(toBeSigned, algorithm, bitString(signature)))).toString();
}

/** When a certificate begins and ends to be valid. */
export function validityOf(certificate: X509Certificate): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(certificate.validFrom), notAfter: new Date(certificate.validTo) };
}

/** The subject as it is encoded, which is how verifiers compare it with the issuer of a leaf. */
export function subjectOf(certificate: X509Certificate): Asn1 {
  const subject = toBeSignedOf(certificate)[5];
  if (subject === undefined) throw new RangeError('a certificate without a subject: only version 3 is expected here');
  return subject;
}

/** The extensions of a certificate of version 3. */
export function extensionsOf(certificate: X509Certificate): EncodedExtensions {
  return byOid(toBeSignedOf(certificate)[7]);
}

/** The extensions as a certificate would have them. */
export function encodedExtensions(extensions: readonly Extension[]): EncodedExtensions {
  return byOid(extensionsToAsn1(extensions));
}

/** SHA-1 of the key's bits (RFC 5280, section 4.2.1.2, method 1): a name for the key, nothing rests on its strength. */
export function keyIdentifier(publicKey: KeyObject): string {
  const bits = content(members(subjectPublicKeyInfo(publicKey))[1]).slice(1);
  return createHash('sha1').update(bits, 'latin1').digest().toString('latin1');
}

function subjectPublicKeyInfo(publicKey: KeyObject): Asn1 {
  return decode(publicKey.export({ type: 'spki', format: 'der' }));
}

function toBeSignedOf(certificate: X509Certificate): Asn1[] {
  return members(members(decode(certificate.raw))[0]);
}

function extensionsToAsn1(extensions: readonly Extension[]): Asn1 {
  const encoder = forge.pki.createCertificate();
  encoder.setExtensions(extensions.map((extension) => ({ ...extension })));
  return forge.pki.certificateExtensionsToAsn1(encoder.extensions);
}

function byOid(extensions: Asn1 | undefined): EncodedExtensions {
  return new Map(
    members(members(extensions)[0]).map((extension) => [
      forge.asn1.derToOid(content(members(extension)[0])),
      encode(extension).toString('hex'),
    ]),
  );
}
