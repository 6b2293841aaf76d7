import forge from 'node-forge';
import type { RequestedCertificate } from '../../cluster/certificate-request.js';
import { type Asn1, Class, contextSpecific, encode, objectIdentifier, primitive, sequence, Type } from './der.js';
import { bytesOf, decodeStrictly, DerError, membersOf, oidOf, sequenceOf } from './strict-der.js';

/** Extension with alternative names (RFC 5280, section 4.2.1.6). */
export const SUBJECT_ALT_NAME = '2.5.29.17';
const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';

/** One attribute of a distinguished name. */
export interface NameAttribute {
  readonly oid: string;
  readonly type: forge.asn1.Type;
  readonly value: string;
}

/** String types that are in use, and what Go lets stand in each (crypto/x509, parseASN1String). */
const stringTypes: readonly (readonly [forge.asn1.Type, RegExp])[] = [
  [Type.UTF8, /^/],
  [Type.PRINTABLESTRING, /^[A-Za-z0-9 '()+,\-./:=?*&]*$/],
  [Type.IA5STRING, /^[\0-\x7f]*$/],
];

/** The relative distinguished names of a subject. */
export function readName(name: Asn1 | undefined): NameAttribute[][] {
  return sequenceOf(name).map((rdn) =>
    membersOf(rdn, Type.SET).map((attribute) => {
      const [oid, value] = sequenceOf(attribute, 2);
      const known = stringTypes.find(([type]) => type === value?.type);
      if (known === undefined) throw new DerError('has a subject in an outdated string type');
      const [type, allowed] = known;
      const bytes = bytesOf(value, type);
      if (!allowed.test(bytes)) throw new DerError('has a name with control or invalid characters');
      return { oid: oidOf(oid), type, value: printable(Buffer.from(bytes, 'latin1').toString('utf8')) };
    }),
  );
}

/** The inverse of {@link readName}. */
export function nameToAsn1(rdns: readonly (readonly NameAttribute[])[]): Asn1 {
  return sequence(
    ...rdns.map((rdn) =>
      forge.asn1.create(
        Class.UNIVERSAL,
        Type.SET,
        true,
        rdn.map(({ oid, type, value }) =>
          sequence(objectIdentifier(oid), primitive(type, Buffer.from(value, 'utf8').toString('latin1'))),
        ),
      ),
    ),
  );
}

/** Kinds of alternative names that have a meaning here, by their tag in GeneralName (RFC 5280, section 4.2.1.6). */
const kinds = { 1: 'email', 2: 'dns', 6: 'uri', 7: 'ip' } as const;

/** An alternative name; one of another kind stays as it is, and no rule lets it pass. */
export type GeneralName =
  { readonly kind: (typeof kinds)[keyof typeof kinds]; readonly tag: number; readonly value: string } | OtherName;

interface OtherName {
  readonly kind: 'other';
  readonly tag: number;
  readonly node: Asn1;
}

/** The names of an extension subjectAltName. */
export function readGeneralNames(value: string): GeneralName[] {
  return sequenceOf(decodeStrictly(Buffer.from(value, 'latin1'))).map((node) => {
    if (node.tagClass !== Class.CONTEXT_SPECIFIC) throw new DerError('has malformed alternative names');
    const tag: number = node.type;
    const kind = kinds[tag as keyof typeof kinds] as (typeof kinds)[keyof typeof kinds] | undefined;
    if (kind === undefined) return { kind: 'other', tag, node };
    const bytes = bytesOf(node, tag, Class.CONTEXT_SPECIFIC);
    return { kind, tag, value: kind === 'ip' ? addressOf(bytes) : ascii(bytes) };
  });
}

/** The inverse of {@link readGeneralNames}. */
export function generalNames(names: readonly GeneralName[]): string {
  const nodes = names.map((name) =>
    name.kind === 'other'
      ? name.node
      : contextSpecific(name.tag, name.kind === 'ip' ? (forge.util.bytesFromIP(name.value) ?? '') : name.value),
  );
  return encode(sequence(...nodes)).toString('latin1');
}

function addressOf(bytes: string): string {
  if (bytes.length !== 4 && bytes.length !== 16) throw new DerError('has an IP address of neither 4 nor 16 bytes');
  return forge.util.bytesToIP(bytes);
}

function ascii(bytes: string): string {
  if (!/^[\x21-\x7e]*$/.test(bytes)) throw new DerError('has a name with control or invalid characters');
  return bytes;
}

/** What a person will read must not be able to steer a terminal. */
function printable(text: string): string {
  if (/[^\P{C}]|\ufffd/u.test(text)) throw new DerError('has a name with control or invalid characters');
  return text;
}

/** What a subject says, however it is spelt. */
export function subjectOf(attributes: readonly NameAttribute[]): RequestedCertificate['subject'] {
  const values = (wanted: string): string[] => attributes.filter(({ oid }) => oid === wanted).map(({ value }) => value);
  const commonNames = values(COMMON_NAME);
  // Readers differ in which of several they take.
  if (commonNames.length > 1) throw new DerError('has more than one common name');
  return {
    commonName: commonNames[0] ?? '',
    organizations: values(ORGANIZATION),
    otherAttributes: attributes
      .filter(({ oid }) => oid !== COMMON_NAME && oid !== ORGANIZATION)
      .map(({ oid, value }) => `${forge.pki.oids[oid] ?? oid}=${value}`),
  };
}

/** Alternative names by their kind. */
export function alternativeNames(
  names: readonly GeneralName[],
): Pick<RequestedCertificate, 'dnsSans' | 'ipSans' | 'emailSans' | 'uriSans' | 'otherSans'> {
  const of = (wanted: GeneralName['kind']): string[] =>
    names.flatMap((name) => (name.kind === wanted && name.kind !== 'other' ? [name.value] : []));
  return {
    emailSans: of('email'),
    dnsSans: of('dns'),
    uriSans: of('uri'),
    ipSans: of('ip'),
    otherSans: names.flatMap(({ kind, tag }) => (kind === 'other' ? [tag] : [])),
  };
}
