import { createPublicKey, generateKeyPair, type KeyObject, randomBytes, type X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { BACKDATE_SECONDS, type PlannedAuthority, type PlannedCertificate } from '../../cluster/pki.js';
import { primitive, Type } from './der.js';
import { plannedNames, plannedSubject, plannedUsages } from './identity.js';
import { type Extension, keyIdentifier, signedCertificate, subjectOf, validityOf } from './x509.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A certificate or bare key pair with its private key, both PEM. Secret: it stays inside the activity. */
export interface Issued {
  /** Absent for a bare key pair. */
  readonly certificate?: string;
  readonly privateKey: string;
}

/** Who signs: the certificate of an authority and its private key, EC or RSA. */
export interface Signer {
  readonly x509: X509Certificate;
  readonly privateKey: KeyObject;
}

/** Makes an ECDSA key on P-256, well under a millisecond of one core (docs/decisions/ecdsa-keys.md). */
export async function generatePrivateKey(): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return privateKey;
}

/** PKCS#8 PEM of a private key, the one form that etcd, client-go and openssl all read for every kind of key. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Makes a self-signed authority, which may sign leaves but no further authority. */
export async function issueAuthority(plan: Omit<PlannedAuthority, 'name'>, now: Date): Promise<Issued> {
  const privateKey = await generatePrivateKey();
  const publicKey = createPublicKey(privateKey);
  const subject = plannedSubject(plan);
  const certificate = signedCertificate(
    {
      serialNumber: serialNumber(),
      subject,
      ...plannedValidity(plan, now),
      publicKey,
      extensions: [
        { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
        { name: 'keyUsage', critical: true, digitalSignature: true, keyCertSign: true, cRLSign: true },
        ...keyIdentifiers(publicKey, publicKey),
      ],
    },
    { name: subject, privateKey },
  );
  return { certificate, privateKey: privateKeyPem(privateKey) };
}

/** Makes a leaf with a new key. It never outlives its authority. */
export async function issueLeaf(
  plan: Omit<PlannedCertificate, 'name' | 'authority'>,
  signer: Signer,
  now: Date,
): Promise<Issued> {
  const privateKey = await generatePrivateKey();
  const publicKey = createPublicKey(privateKey);
  const { notBefore, notAfter } = plannedValidity(plan, now);
  const { notAfter: authorityEnd } = validityOf(signer.x509);
  const certificate = signedCertificate(
    {
      serialNumber: serialNumber(),
      subject: plannedSubject(plan),
      notBefore,
      notAfter: notAfter < authorityEnd ? notAfter : authorityEnd,
      publicKey,
      extensions: [
        { name: 'basicConstraints', critical: true, cA: false },
        // Not keyEncipherment, which a certificate for an EC key must not have (RFC 8813, section 3).
        { name: 'keyUsage', critical: true, digitalSignature: true },
        plannedUsages(plan),
        ...keyIdentifiers(publicKey, signer.x509.publicKey),
        ...plannedNames(plan),
      ],
    },
    { name: subjectOf(signer.x509), privateKey: signer.privateKey },
  );
  return { certificate, privateKey: privateKeyPem(privateKey) };
}

/** X.509 counts whole seconds. */
function plannedValidity(
  { validityDays }: Pick<PlannedCertificate, 'validityDays'>,
  now: Date,
): { notBefore: Date; notAfter: Date } {
  const notBefore = Math.floor(now.getTime() / 1000) * 1000 - BACKDATE_SECONDS * 1000;
  return { notBefore: new Date(notBefore), notAfter: new Date(notBefore + validityDays * DAY_MS) };
}

function keyIdentifiers(own: KeyObject, signers: KeyObject): Extension[] {
  return [
    { name: 'subjectKeyIdentifier', value: primitive(Type.OCTETSTRING, keyIdentifier(own)) },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(signers) },
  ];
}

/** 127 bits, positive, 126 of them random: the top bit is fixed so that the DER form has no superfluous zero byte. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
