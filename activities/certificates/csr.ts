import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import forge from 'node-forge';
import type { RequestedCertificate } from '../../cluster/certificate-request.js';
import { pemBlock } from './pem.js';

type Asn1 = forge.asn1.Asn1;
const { Class, Type } = forge.asn1;

/** The text is not a certificate signing request that can be judged. */
export class CertificateRequestError extends Error {}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';
const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';

/** Digest by signature algorithm; `undefined` where the algorithm has its own (Ed25519). */
const signatureAlgorithms: Readonly<Record<string, { keyType: string; digest: string | undefined }>> = {
  '1.2.840.113549.1.1.11': { keyType: 'rsa', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { keyType: 'rsa', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { keyType: 'rsa', digest: 'sha512' },
  '1.2.840.10045.4.3.2': { keyType: 'ec', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { keyType: 'ec', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { keyType: 'ec', digest: 'sha512' },
  '1.3.101.112': { keyType: 'ed25519', digest: undefined },
};

const curveBits: Readonly<Record<string, number>> = { prime256v1: 256, secp384r1: 384, secp521r1: 521 };

/**
 * Reads a certificate signing request, RSA, ECDSA or Ed25519 (a kubelet's is ECDSA P-256, which forge's own reader
 * refuses).
 *
 * @param pem one PEM block `CERTIFICATE REQUEST` and nothing else.
 * @throws CertificateRequestError for anything that is malformed or has two meanings.
 */
export function parseCertificateRequest(pem: string): RequestedCertificate {
  const der = requestDer(pem);
  const [info, algorithm, signature] = sequence(decode(der), 3);
  const [, subject, publicKey, attributes] = sequence(info, 4);
  const key = keyOf(encode(publicKey));
  const extensions = requestedExtensions(attributes);
  return {
    subject: subjectOf(subject),
    ...alternativeNames(extensions),
    otherExtensions: [...extensions.keys()].filter((oid) => oid !== SUBJECT_ALT_NAME),
    publicKey: { type: key.asymmetricKeyType ?? 'unknown', bits: bitsOf(key) },
    signatureValid: isSignedBy(key, encode(info), oidOf(sequence(algorithm)[0]), bytesOf(signature, Type.BITSTRING)),
    sha256: createHash('sha256').update(der).digest('hex'),
  };
}

function requestDer(pem: string): Buffer {
  const block = pemBlock(pem, 'CERTIFICATE REQUEST');
  if (block?.trim() !== pem.trim()) throw malformed('is not one PEM block CERTIFICATE REQUEST and nothing else');
  return Buffer.from(block.replaceAll(/-----.*-----/g, ''), 'base64');
}

/** Only DER has one meaning; what does not come out as it went in is refused, so that parts may be encoded again. */
function decode(der: Buffer): Asn1 {
  let decoded: Asn1;
  try {
    decoded = forge.asn1.fromDer(der.toString('latin1'), { parseAllBytes: true, decodeBitStrings: false });
  } catch (cause) {
    throw malformed('is not DER', cause);
  }
  if (!encode(decoded).equals(der)) throw malformed('is not in canonical DER');
  return decoded;
}

function encode(node: Asn1 | undefined): Buffer {
  if (node === undefined) throw malformed('lacks a part');
  return Buffer.from(forge.asn1.toDer(node).getBytes(), 'latin1');
}

function sequence(node: Asn1 | undefined, count?: number): Asn1[] {
  return childrenOf(node, Type.SEQUENCE, Class.UNIVERSAL, count);
}

function set(node: Asn1 | undefined): Asn1[] {
  return childrenOf(node, Type.SET, Class.UNIVERSAL);
}

function childrenOf(node: Asn1 | undefined, type: number, tagClass: forge.asn1.Class, count?: number): Asn1[] {
  if (
    !hasTag(node, type, tagClass) ||
    !Array.isArray(node.value) ||
    (count !== undefined && node.value.length !== count)
  ) {
    throw malformed('does not have the structure of PKCS#10');
  }
  return node.value;
}

function bytesOf(node: Asn1 | undefined, type: number, tagClass = Class.UNIVERSAL): string {
  if (!hasTag(node, type, tagClass) || Array.isArray(node.value)) {
    throw malformed('does not have the structure of PKCS#10');
  }
  return node.value;
}

function hasTag(node: Asn1 | undefined, type: number, tagClass: forge.asn1.Class): node is Asn1 {
  return node?.tagClass === tagClass && (node.type as number) === type;
}

function oidOf(node: Asn1 | undefined): string {
  return forge.asn1.derToOid(bytesOf(node, Type.OID));
}

function subjectOf(name: Asn1 | undefined): RequestedCertificate['subject'] {
  const attributes = sequence(name)
    .flatMap(set)
    .map((attribute) => {
      const [oid, value] = sequence(attribute, 2);
      return { oid: oidOf(oid), value: textOf(value) };
    });
  const values = (wanted: string): string[] => attributes.filter(({ oid }) => oid === wanted).map(({ value }) => value);
  const commonNames = values(COMMON_NAME);
  // Readers differ in which of several they take.
  if (commonNames.length > 1) throw malformed('has more than one common name');
  return {
    commonName: commonNames[0] ?? '',
    organizations: values(ORGANIZATION),
    otherAttributes: attributes
      .filter(({ oid }) => oid !== COMMON_NAME && oid !== ORGANIZATION)
      .map(({ oid, value }) => `${forge.pki.oids[oid] ?? oid}=${value}`),
  };
}

/** Text of a subject attribute, in one of the string types that are in use. */
function textOf(node: Asn1 | undefined): string {
  const type = [Type.UTF8, Type.PRINTABLESTRING, Type.IA5STRING].find((known) => known === node?.type);
  if (type === undefined) throw malformed('has a subject in an outdated string type');
  return printable(Buffer.from(bytesOf(node, type), 'latin1').toString('utf8'));
}

/** What a person will read must not be able to steer a terminal. */
function printable(text: string): string {
  if (/[^\P{C}]|\ufffd/u.test(text)) throw malformed('has a name with control or invalid characters');
  return text;
}

/** DER of each requested extension's value, by OID. */
function requestedExtensions(attributes: Asn1 | undefined): Map<string, string> {
  const extensions = new Map<string, string>();
  for (const attribute of childrenOf(attributes, 0, Class.CONTEXT_SPECIFIC)) {
    const [type, values] = sequence(attribute, 2);
    if (oidOf(type) !== EXTENSION_REQUEST) continue;
    for (const extension of set(values).flatMap((list) => sequence(list))) {
      const parts = sequence(extension);
      const oid = oidOf(parts[0]);
      if (extensions.has(oid)) throw malformed('requests an extension twice');
      extensions.set(oid, bytesOf(parts.at(-1), Type.OCTETSTRING));
    }
  }
  return extensions;
}

function alternativeNames(
  extensions: ReadonlyMap<string, string>,
): Pick<RequestedCertificate, 'dnsSans' | 'ipSans' | 'emailSans' | 'uriSans' | 'otherSans'> {
  const value = extensions.get(SUBJECT_ALT_NAME);
  const names = value === undefined ? [] : sequence(decode(Buffer.from(value, 'latin1')));
  if (names.some(({ tagClass }) => tagClass !== Class.CONTEXT_SPECIFIC))
    throw malformed('has malformed alternative names');
  const tags: number[] = names.map(({ type }) => type);
  const ofKind = (kind: number): string[] =>
    names.filter((_name, index) => tags[index] === kind).map((name) => bytesOf(name, kind, Class.CONTEXT_SPECIFIC));
  return {
    emailSans: ofKind(1).map(printable),
    dnsSans: ofKind(2).map(printable),
    uriSans: ofKind(6).map(printable),
    ipSans: ofKind(7).map(addressOf),
    otherSans: tags.filter((tag) => ![1, 2, 6, 7].includes(tag)),
  };
}

function addressOf(bytes: string): string {
  if (bytes.length !== 4 && bytes.length !== 16) throw malformed('has an IP address of neither 4 nor 16 bytes');
  return forge.util.bytesToIP(bytes);
}

function keyOf(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw malformed('has an unreadable public key', cause);
  }
}

function bitsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): number {
  if (asymmetricKeyType === 'ed25519') return 256;
  return asymmetricKeyDetails?.modulusLength ?? curveBits[asymmetricKeyDetails?.namedCurve ?? ''] ?? 0;
}

function isSignedBy(key: KeyObject, signed: Buffer, algorithm: string, signature: string): boolean {
  const known = signatureAlgorithms[algorithm];
  // The first byte of a BIT STRING counts unused bits; a signature has none.
  if (known === undefined || known.keyType !== key.asymmetricKeyType || signature.charCodeAt(0) !== 0) return false;
  return verify(known.digest, signed, key, Buffer.from(signature.slice(1), 'latin1'));
}

function malformed(problem: string, cause?: unknown): CertificateRequestError {
  return new CertificateRequestError(`the certificate signing request ${problem}: the node must make a new one`, {
    cause,
  });
}
