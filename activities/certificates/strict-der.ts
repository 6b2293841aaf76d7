import forge from 'node-forge';
import { type Asn1, Class, decode, encode, Type } from './der.js';

/** Bytes of a stranger that do not have the one meaning that they should; says in a few words what is wrong. */
export class DerError extends Error {}

/** Only DER has one meaning; what does not come out as it went in is refused, so that parts may be encoded again. */
export function decodeStrictly(der: Buffer): Asn1 {
  let decoded: Asn1;
  try {
    decoded = decode(der);
  } catch (cause) {
    throw new DerError('is not DER', { cause });
  }
  if (!encode(decoded).equals(der)) throw new DerError('is not in canonical DER');
  return decoded;
}

/** The members of a constructed value, of which there are `count`, if that is said. */
export function membersOf(node: Asn1 | undefined, type: number, tagClass = Class.UNIVERSAL, count?: number): Asn1[] {
  if (
    !hasTag(node, type, tagClass) ||
    !Array.isArray(node.value) ||
    (count !== undefined && node.value.length !== count)
  ) {
    throw new DerError('does not have the structure that it must have');
  }
  return node.value;
}

export function sequenceOf(node: Asn1 | undefined, count?: number): Asn1[] {
  return membersOf(node, Type.SEQUENCE, Class.UNIVERSAL, count);
}

/** The content of a primitive value, one character a byte. */
export function bytesOf(node: Asn1 | undefined, type: number, tagClass = Class.UNIVERSAL): string {
  if (!hasTag(node, type, tagClass) || Array.isArray(node.value)) {
    throw new DerError('does not have the structure that it must have');
  }
  return node.value;
}

export function oidOf(node: Asn1 | undefined): string {
  return forge.asn1.derToOid(bytesOf(node, Type.OID));
}

function hasTag(node: Asn1 | undefined, type: number, tagClass: forge.asn1.Class): node is Asn1 {
  return node?.tagClass === tagClass && (node.type as number) === type;
}
