import { createPublicKey, generateKeyPair, type KeyObject, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { BACKDATE_SECONDS, type PlannedAuthority, type PlannedCertificate } from '../../cluster/pki.js';

const RSA_BITS = 2048;
const DAY_MS = 24 * 60 * 60 * 1000;
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

/** A certificate or bare key pair with its private key, both PEM. Secret: it stays inside the activity. */
export interface Issued {
  /** Absent for a bare key pair. */
  readonly certificate?: string;
  readonly privateKey: string;
}

/** Who signs: the certificate of an authority, parsed, and its private key. */
export interface Signer {
  readonly certificate: forge.pki.Certificate;
  readonly privateKey: KeyObject;
}

/** Makes an RSA key of 2048 bits off the event loop, PKCS#8 PEM; about 0.1 s of one core. */
export async function generatePrivateKey(): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });
  return privateKey;
}

/** PKCS#8 PEM of a private key. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Makes a self-signed authority, which may sign leaves but no further authority. */
export async function issueAuthority(plan: PlannedAuthority, now: Date): Promise<Issued> {
  const privateKey = await generatePrivateKey();
  const certificate = unsignedCertificate(privateKey, plan, now);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: true },
  ]);
  return { certificate: signedPem(certificate, privateKey), privateKey: privateKeyPem(privateKey) };
}

/** Makes a leaf with a new key. It never outlives its authority. */
export async function issueLeaf(plan: PlannedCertificate, signer: Signer, now: Date): Promise<Issued> {
  const privateKey = await generatePrivateKey();
  const certificate = unsignedCertificate(privateKey, plan, now);
  if (certificate.validity.notAfter > signer.certificate.validity.notAfter) {
    certificate.validity.notAfter = signer.certificate.validity.notAfter;
  }
  certificate.setIssuer(signer.certificate.subject.attributes);
  const altNames = [
    ...plan.sans.dns.map((value) => ({ type: 2, value })),
    ...plan.sans.ip.map((ip) => ({ type: 7, ip })),
  ];
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    {
      name: 'extKeyUsage',
      serverAuth: plan.usages.includes('server'),
      clientAuth: plan.usages.includes('client'),
    },
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: signer.certificate.generateSubjectKeyIdentifier().getBytes(),
    },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ]);
  return { certificate: signedPem(certificate, signer.privateKey), privateKey: privateKeyPem(privateKey) };
}

function unsignedCertificate(
  privateKey: KeyObject,
  plan: { commonName: string; organizations?: readonly string[]; validityDays: number },
  now: Date,
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }) as string;
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber();
  // X.509 counts whole seconds.
  const notBefore = Math.floor(now.getTime() / 1000) * 1000 - BACKDATE_SECONDS * 1000;
  certificate.validity.notBefore = new Date(notBefore);
  certificate.validity.notAfter = new Date(notBefore + plan.validityDays * DAY_MS);
  // UTF8String, because ":" and most other characters of Kubernetes names have no place in forge's default type.
  const attribute = (name: string, value: string): forge.pki.CertificateField => ({
    name,
    value,
    valueTagClass: forge.asn1.Type.UTF8 as unknown as forge.asn1.Class,
  });
  certificate.setSubject([
    ...(plan.organizations ?? []).map((organization) => attribute('organizationName', organization)),
    attribute('commonName', plan.commonName),
  ]);
  return certificate;
}

/** 127 bits, positive, 126 of them random: the top bit is fixed so that the DER form has no superfluous zero byte. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** Signs with node:crypto what forge assembled; forge's own RSA is JavaScript on the event loop and many times slower. */
function signedPem(certificate: forge.pki.Certificate, key: KeyObject): string {
  certificate.signatureOid = SHA256_WITH_RSA;
  certificate.siginfo.algorithmOid = SHA256_WITH_RSA;
  const toBeSigned = forge.asn1.toDer(forge.pki.getTBSCertificate(certificate)).getBytes();
  certificate.signature = sign('sha256', Buffer.from(toBeSigned, 'latin1'), key).toString('latin1');
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}
