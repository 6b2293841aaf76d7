import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { RENEWAL_DAYS, type PlannedCertificate } from '../../cluster/pki.js';
import type { Signer } from './issue.js';
import { pemBlock } from './pem.js';

/** A certificate and its key, read from the store; the two are known to belong together. */
export interface Stored {
  readonly certificatePem: string;
  readonly certificate: forge.pki.Certificate;
  readonly x509: X509Certificate;
  readonly privateKey: KeyObject;
}

/** Reads a certificate with its private key; undefined if the text is not that, or if they do not belong together. */
export function readPair(text: string): Stored | undefined {
  const certificatePem = pemBlock(text, 'CERTIFICATE');
  const privateKey = readPrivateKey(text);
  if (certificatePem === undefined || privateKey === undefined) return undefined;
  try {
    const x509 = new X509Certificate(certificatePem);
    if (!x509.checkPrivateKey(privateKey)) return undefined;
    return { certificatePem, certificate: forge.pki.certificateFromPem(certificatePem), x509, privateKey };
  } catch {
    return undefined;
  }
}

/** Reads a PKCS#8 private key; undefined if the text has none. Never quotes the text. */
export function readPrivateKey(text: string): KeyObject | undefined {
  const pem = pemBlock(text, 'PRIVATE KEY');
  if (pem === undefined) return undefined;
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Why a stored leaf is not what the plan wants now, or undefined if it is. */
export function reasonToReissue(
  stored: Stored | undefined,
  plan: PlannedCertificate,
  signer: Signer,
  now: Date,
): string | undefined {
  if (stored === undefined) return 'not a certificate with its own private key';
  const { certificate, x509 } = stored;
  if (!x509.verify(createPublicKey(signer.privateKey))) return `not signed by the present ${plan.authority}`;
  const { notBefore, notAfter } = certificate.validity;
  const renewFrom = notAfter.getTime() - RENEWAL_DAYS * 24 * 60 * 60 * 1000;
  // Near the end of its authority a leaf cannot be given more time: another one would be no better.
  const couldLiveLonger = notAfter < signer.certificate.validity.notAfter;
  if (now >= notAfter || (now.getTime() >= renewFrom && couldLiveLonger)) return `expires ${notAfter.toISOString()}`;
  if (now < notBefore) return `not valid before ${notBefore.toISOString()}`;
  return (['subject', 'usages', 'names'] as const)
    .filter((aspect) => !same(aspects[aspect].stored(certificate), aspects[aspect].planned(plan)))
    .map((aspect) => `other ${aspect} than planned`)[0];
}

const aspects = {
  subject: {
    stored: ({ subject }: forge.pki.Certificate) =>
      subject.attributes.map(({ name, value }) => `${name ?? '?'}=${String(value)}`),
    planned: ({ commonName, organizations }: PlannedCertificate) => [
      ...organizations.map((organization) => `organizationName=${organization}`),
      `commonName=${commonName}`,
    ],
  },
  usages: {
    stored: (certificate: forge.pki.Certificate) => {
      const usages = extension(certificate, 'extKeyUsage');
      return ['serverAuth', 'clientAuth'].filter((usage) => usages[usage] === true);
    },
    planned: ({ usages }: PlannedCertificate) =>
      (['server', 'client'] as const).filter((usage) => usages.includes(usage)).map((usage) => `${usage}Auth`),
  },
  names: {
    stored: (certificate: forge.pki.Certificate) => {
      const { altNames = [] } = extension(certificate, 'subjectAltName') as {
        altNames?: { type: number; value: string; ip?: string }[];
      };
      return altNames.map(({ type, value, ip }) => `${type}:${ip ?? value}`);
    },
    planned: ({ sans }: PlannedCertificate) => [
      ...sans.dns.map((name) => `2:${name}`),
      ...sans.ip.map((address) => `7:${address}`),
    ],
  },
};

function extension(certificate: forge.pki.Certificate, name: string): Record<string, unknown> {
  return (certificate.getExtension(name) as Record<string, unknown> | null | undefined) ?? {};
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
