import { X509Certificate } from 'node:crypto';
import type { CertificateRequest } from '../../cluster/certificate-request.js';
import type { AuthorityName } from '../../cluster/pki.js';
import { keySha256 } from './csr.js';
import { type Asn1, Class, encode, objectIdentifier, primitive, sequence, Type } from './der.js';
import { alternativeNames, generalNames, readGeneralNames, readName, SUBJECT_ALT_NAME, subjectOf } from './names.js';
import { pemBlock } from './pem.js';
import { bytesOf, decodeStrictly, DerError, membersOf, oidOf, sequenceOf } from './strict-der.js';

const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const BASIC_CONSTRAINTS = '2.5.29.19';
/** Names the signer's key, and says nothing of its subject. */
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';

/** Bits of a key usage, by Kubernetes' names of those that a kubelet's certificate may have. */
const usageBits: Readonly<Record<string, number>> = { 'digital signature': 0x80, 'key encipherment': 0x20 };
const purposes: Readonly<Record<string, string>> = {
  'client auth': '1.3.6.1.5.5.7.3.2',
  'server auth': '1.3.6.1.5.5.7.3.1',
};

/** A certificate authority; its certificate in PEM. */
export interface Authority {
  readonly name: AuthorityName;
  readonly certificate: string;
}

/**
 * Holds a certificate against the request that was approved: nothing that it gives its holder may be more, or less.
 *
 * @param pem - what the signer issued
 * @param authority - who must have signed it
 * @returns every difference; none for what was approved
 */
export function differencesFromApproved(pem: string, request: CertificateRequest, authority: Authority): string[] {
  const block = pemBlock(pem, 'CERTIFICATE');
  if (block?.trim() !== pem.trim()) return ['is not one PEM block CERTIFICATE and nothing else'];
  try {
    const certificate = new X509Certificate(pem);
    const seen = read(decodeStrictly(certificate.raw));
    return [
      ...unless(
        certificate.verify(new X509Certificate(authority.certificate).publicKey),
        `is not signed by ${authority.name}`,
      ),
      ...compare('subject', seen.subject, request.subject),
      ...compare('names', seen.names.toSorted().join(', '), request.names.toSorted().join(', ')),
      ...compare('key', keySha256(certificate.publicKey), request.keySha256),
      ...compare('extensions', seen.others, extensionsOf(request.usages)),
    ];
  } catch (error) {
    if (error instanceof DerError) return [error.message];
    return ['is not a certificate'];
  }
}

function read(certificate: Asn1): { subject: string; names: string[]; others: string } {
  const parts = sequenceOf(sequenceOf(certificate, 3)[0], 8);
  const { commonName, organizations, otherAttributes } = subjectOf(readName(parts[5]).flat());
  const extensions = new Map<string, string>();
  for (const extension of sequenceOf(membersOf(parts[7], 3, Class.CONTEXT_SPECIFIC, 1)[0])) {
    const members = sequenceOf(extension);
    const oid = oidOf(members[0]);
    if (extensions.has(oid) || members.length > 3) throw new DerError('has an extension twice, or one of four parts');
    extensions.set(oid, bytesOf(members.at(-1), Type.OCTETSTRING));
  }
  const value = extensions.get(SUBJECT_ALT_NAME);
  const general = value === undefined ? [] : readGeneralNames(value);
  if (value !== undefined && generalNames(general) !== value) throw new DerError('has malformed alternative names');
  const { dnsSans, ipSans, emailSans, uriSans, otherSans } = alternativeNames(general);
  return {
    subject: [`CN=${commonName}`, ...organizations.map((name) => `O=${name}`), ...otherAttributes].join(', '),
    names: [...dnsSans, ...ipSans, ...emailSans, ...uriSans, ...otherSans.map((tag) => `a name of kind ${tag}`)],
    others: textOf(extensions),
  };
}

/** Every extension but names, by its bytes. */
function textOf(extensions: ReadonlyMap<string, string>): string {
  return [...extensions]
    .filter(([oid]) => oid !== SUBJECT_ALT_NAME && oid !== AUTHORITY_KEY_IDENTIFIER)
    .map(([oid, value]) => `${oid}=${Buffer.from(value, 'latin1').toString('hex')}`)
    .sort()
    .join(', ');
}

/** What Kubernetes' signer makes of usages (pkg/controller/certificates/authority/policies.go); never an authority. */
function extensionsOf(usages: readonly string[]): string {
  const bits = usages.reduce((sum, usage) => sum | (usageBits[usage] ?? 0), 0);
  const unused = Math.log2(bits & -bits);
  const extended = usages.flatMap((usage) => purposes[usage] ?? []);
  return textOf(
    new Map([
      [KEY_USAGE, encode(primitive(Type.BITSTRING, String.fromCharCode(unused, bits))).toString('latin1')],
      [EXTENDED_KEY_USAGE, encode(sequence(...extended.map(objectIdentifier))).toString('latin1')],
      [BASIC_CONSTRAINTS, encode(sequence()).toString('latin1')],
    ]),
  );
}

function compare(what: string, seen: string, approved: string): string[] {
  return unless(seen === approved, `${what} ${seen || 'none'}, approved: ${approved || 'none'}`);
}

function unless(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem];
}
