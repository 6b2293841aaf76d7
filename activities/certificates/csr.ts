import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import forge from 'node-forge';
import type { RequestedCertificate } from '../../cluster/certificate-request.js';
import { type Asn1, bitString, Class, encode, objectIdentifier, primitive, sequence, Type } from './der.js';
import {
  alternativeNames,
  generalNames,
  nameToAsn1,
  readGeneralNames,
  readName,
  SUBJECT_ALT_NAME,
  subjectOf,
  type GeneralName,
  type NameAttribute,
} from './names.js';
import { pemBlock } from './pem.js';
import { bytesOf, decodeStrictly, DerError, membersOf, oidOf, sequenceOf } from './strict-der.js';

/** The text is not a certificate signing request that can be judged. */
export class CertificateRequestError extends Error {}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

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

/** Smaller ones have been the way into RSA again and again, and nobody makes them by default. */
const SMALLEST_EXPONENT = 65_537n;

/** Everything that is understood of a request: whole, so that the request can be built from it again. */
interface Request {
  readonly subject: NameAttribute[][];
  readonly publicKey: KeyObject;
  /** Undefined where the request has no attribute for them. */
  readonly extensions: readonly RequestedExtension[] | undefined;
  readonly algorithm: string;
  /** One character a byte. */
  readonly signature: string;
}

interface RequestedExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** What it says; the bytes of one that no rule lets pass. */
  readonly value: readonly GeneralName[] | string;
}

/**
 * Reads a certificate signing request, RSA, ECDSA or Ed25519 (a kubelet's is ECDSA P-256, which forge's own reader
 * refuses). It is understood completely or not at all: the whole request, built again from what was understood, has the
 * very bytes of the one that came. So there is nothing in it that another reader, such as the signer, could take instead.
 *
 * @param pem one PEM block `CERTIFICATE REQUEST` and nothing else.
 * @throws CertificateRequestError for anything that is malformed or has two meanings.
 */
export function parseCertificateRequest(pem: string): RequestedCertificate {
  const der = requestDer(pem);
  try {
    const request = read(decodeStrictly(der));
    if (!encode(rebuilt(request)).equals(der)) throw new DerError('has parts that have no meaning there');
    return described(request);
  } catch (error) {
    if (error instanceof DerError) throw malformed(error.message, error);
    // What forge and OpenSSL throw on values that they cannot build.
    throw malformed('cannot be understood', error);
  }
}

function described(request: Request): RequestedCertificate {
  const { publicKey, extensions = [] } = request;
  return {
    subject: subjectOf(request.subject.flat()),
    ...alternativeNames(extensions.flatMap(({ value }) => (typeof value === 'string' ? [] : value))),
    otherExtensions: extensions.filter(({ value }) => typeof value === 'string').map(({ oid }) => oid),
    publicKey: {
      type: publicKey.asymmetricKeyType ?? 'unknown',
      bits: bitsOf(publicKey),
      sha256: keySha256(publicKey),
    },
    signatureValid: isSigned(request),
  };
}

/** Fingerprint of a public key: sha256 of its SubjectPublicKeyInfo, hexadecimal (RFC 7469, section 2.4, in other digits). */
export function keySha256(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function requestDer(pem: string): Buffer {
  const block = pemBlock(pem, 'CERTIFICATE REQUEST');
  if (block?.trim() !== pem.trim()) throw malformed('is not one PEM block CERTIFICATE REQUEST and nothing else');
  const text = block.replaceAll(/-----.*-----|\s/g, '');
  const der = Buffer.from(text, 'base64');
  if (der.toString('base64') !== text) throw malformed('is not in canonical base64');
  return der;
}

function read(node: Asn1): Request {
  const [info, algorithm, signature] = sequenceOf(node, 3);
  const [, subject, publicKey, attributes] = sequenceOf(info, 4);
  return {
    subject: readName(subject),
    publicKey: readKey(publicKey),
    extensions: requestedExtensions(attributes),
    algorithm: oidOf(sequenceOf(algorithm)[0]),
    // The first byte of a BIT STRING counts unused bits.
    signature: bytesOf(signature, Type.BITSTRING).slice(1),
  };
}

/** RFC 2986, section 4, and the algorithm identifiers of RFC 5758, section 3.2, and RFC 4055, section 5. */
function rebuilt(request: Request): Asn1 {
  const { algorithm, signature } = request;
  const known = signatureAlgorithms[algorithm];
  if (known === undefined) throw new DerError('is signed with an algorithm that is not allowed');
  const parameters = known.keyType === 'rsa' ? [primitive(Type.NULL, '')] : [];
  return sequence(requestInfo(request), sequence(objectIdentifier(algorithm), ...parameters), bitString(signature));
}

function requestInfo({ subject, publicKey, extensions }: Request): Asn1 {
  const attributes =
    extensions === undefined
      ? []
      : [sequence(objectIdentifier(EXTENSION_REQUEST), set(sequence(...extensions.map(extensionToAsn1))))];
  return sequence(
    primitive(Type.INTEGER, '\0'),
    nameToAsn1(subject),
    decodeStrictly(publicKey.export({ type: 'spki', format: 'der' })),
    forge.asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, attributes),
  );
}

function extensionToAsn1({ oid, critical, value }: RequestedExtension): Asn1 {
  return sequence(
    objectIdentifier(oid),
    ...(critical ? [primitive(Type.BOOLEAN, '\xff')] : []),
    primitive(Type.OCTETSTRING, typeof value === 'string' ? value : generalNames(value)),
  );
}

function set(...members: Asn1[]): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, Type.SET, true, members);
}

/** The key by its numbers alone: a curve that is spelt out, or a point that is compressed, does not come out as it went in. */
function readKey(spki: Asn1 | undefined): KeyObject {
  if (spki === undefined) throw new DerError('has no public key');
  let key: KeyObject;
  try {
    const given = createPublicKey({ key: encode(spki), format: 'der', type: 'spki' });
    key = createPublicKey({ key: given.export({ format: 'jwk' }), format: 'jwk' });
  } catch (cause) {
    throw new DerError('has an unreadable public key', { cause });
  }
  if ((key.asymmetricKeyDetails?.publicExponent ?? SMALLEST_EXPONENT) < SMALLEST_EXPONENT) {
    throw new DerError(`has an RSA key with a public exponent below ${SMALLEST_EXPONENT}`);
  }
  return key;
}

function requestedExtensions(attributes: Asn1 | undefined): RequestedExtension[] | undefined {
  const [attribute] = membersOf(attributes, 0, Class.CONTEXT_SPECIFIC);
  if (attribute === undefined) return undefined;
  const [list] = membersOf(sequenceOf(attribute, 2)[1], Type.SET);
  const extensions = sequenceOf(list).map((node) => {
    const parts = sequenceOf(node);
    const oid = oidOf(parts[0]);
    const value = bytesOf(parts.at(-1), Type.OCTETSTRING);
    return { oid, critical: parts.length > 2, value: oid === SUBJECT_ALT_NAME ? readGeneralNames(value) : value };
  });
  if (new Set(extensions.map(({ oid }) => oid)).size < extensions.length) {
    throw new DerError('requests an extension twice');
  }
  return extensions;
}

function bitsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): number {
  if (asymmetricKeyType === 'ed25519') return 256;
  return asymmetricKeyDetails?.modulusLength ?? curveBits[asymmetricKeyDetails?.namedCurve ?? ''] ?? 0;
}

function isSigned(request: Request): boolean {
  const { publicKey, algorithm, signature } = request;
  const known = signatureAlgorithms[algorithm];
  if (known === undefined || known.keyType !== publicKey.asymmetricKeyType) return false;
  return verify(known.digest, encode(requestInfo(request)), publicKey, Buffer.from(signature, 'latin1'));
}

function malformed(problem: string, cause?: unknown): CertificateRequestError {
  return new CertificateRequestError(`the certificate signing request ${problem}: the node must make a new one`, {
    cause,
  });
}
