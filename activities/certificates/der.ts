import forge from 'node-forge';

export type Asn1 = forge.asn1.Asn1;
export const { Class, Type } = forge.asn1;

/** DER of a value. */
export function encode(node: Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(node).getBytes(), 'latin1');
}

/** Reads DER that somebody else has found to be sound; it comes out of `encode` as it went in. */
export function decode(der: Buffer): Asn1 {
  return forge.asn1.fromDer(der.toString('latin1'), { parseAllBytes: true, decodeBitStrings: false });
}

/** A primitive value of a universal type; each character of `bytes` is one byte. */
export function primitive(type: forge.asn1.Type, bytes: string): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, type, false, bytes);
}

/** A primitive value of a tag that its place gives a meaning, e.g. a kind of GeneralName. */
export function contextSpecific(tag: number, bytes: string): Asn1 {
  return forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, false, bytes);
}

export function sequence(...members: Asn1[]): Asn1 {
  return forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, members);
}

/** The members of a constructed value; none if it is absent or primitive. */
export function members(node: Asn1 | undefined): Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

/** The content of a primitive value, one character a byte; empty if it is absent or constructed. */
export function content(node: Asn1 | undefined): string {
  return typeof node?.value === 'string' ? node.value : '';
}

export function objectIdentifier(oid: string): Asn1 {
  return primitive(Type.OID, forge.asn1.oidToDer(oid).getBytes());
}

/** Whole bytes only: the first byte of the content counts the unused bits of the last. */
export function bitString(bytes: string): Asn1 {
  return primitive(Type.BITSTRING, `\0${bytes}`);
}

/** A point in time as RFC 5280 wants it (section 4.1.2.5): two-digit years until 2049, four-digit ones from then on. */
export function time(date: Date): Asn1 {
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, forge.asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, forge.asn1.dateToGeneralizedTime(date));
}
