import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import {
  type Asn1,
  bitString,
  Class,
  contextSpecific,
  decode,
  encode,
  objectIdentifier,
  primitive,
  sequence,
  Type,
} from '../../activities/certificates/der.js';

/** Makes requests (PKCS#10) in encodings that openssl refuses to make, with a signature that holds. */

export const COMMON_NAME = '2.5.4.3';
export const ORGANIZATION = '2.5.4.10';
export const SUBJECT_ALT_NAME = '2.5.29.17';
export const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const ecKeys = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const set = (...members: Asn1[]): Asn1 => forge.asn1.create(Class.UNIVERSAL, Type.SET, true, members);
export const octets = (bytes: string): Asn1 => primitive(Type.OCTETSTRING, bytes);

/** An attribute of a subject. */
export function attribute(oid: string, value: string, type: number = Type.UTF8): Asn1 {
  return sequence(
    objectIdentifier(oid),
    forge.asn1.create(Class.UNIVERSAL, type, false, Buffer.from(value, 'utf8').toString('latin1')),
  );
}

/** A subject; each argument is one relative name. */
export function subject(...rdns: (Asn1 | Asn1[])[]): Asn1 {
  return sequence(...rdns.map((rdn) => set(...(Array.isArray(rdn) ? rdn : [rdn]))));
}

export const nodeSubject = (node: string): Asn1 =>
  subject(attribute(ORGANIZATION, 'system:nodes'), attribute(COMMON_NAME, `system:node:${node}`));

/** A name of the kind that RFC 5280 gives that tag: 2 is DNS, 7 an address by its bytes. */
export const generalName = contextSpecific;

/** DER of alternative names. */
export const names = (...list: Asn1[]): string => encode(sequence(...list)).toString('latin1');

/** The attribute that asks for extensions. */
export const asksFor = (...extensions: Asn1[]): Asn1 =>
  sequence(objectIdentifier(EXTENSION_REQUEST), set(sequence(...extensions)));

export const alternativeNames = (...list: Asn1[]): Asn1 =>
  sequence(objectIdentifier(SUBJECT_ALT_NAME), octets(names(...list)));

export interface RequestParts {
  readonly subject?: Asn1;
  readonly attributes?: readonly Asn1[];
  readonly keys?: KeyPair;
}

/** The part of a request that is signed. */
export function requestInfo({
  subject: name = nodeSubject('node01'),
  attributes = [],
  keys = ecKeys(),
}: RequestParts): Asn1 {
  return sequence(
    primitive(Type.INTEGER, '\0'),
    name,
    decode(keys.publicKey.export({ type: 'spki', format: 'der' })),
    forge.asn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, [...attributes]),
  );
}

/** Signs a request with ECDSA and SHA-256, whatever is in it. */
export function signed(info: Asn1, { privateKey }: KeyPair): Asn1 {
  const signature = sign('sha256', encode(info), privateKey).toString('latin1');
  return sequence(info, sequence(objectIdentifier('1.2.840.10045.4.3.2')), bitString(signature));
}

/** A request, PEM; by default what the kubelet of node01 sends for its client certificate. */
export function certificateRequest(parts: RequestParts = {}): string {
  const keys = parts.keys ?? ecKeys();
  return pemOf(encode(signed(requestInfo({ ...parts, keys }), keys)));
}

export function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}
