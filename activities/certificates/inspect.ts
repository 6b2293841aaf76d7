import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { RENEWAL_DAYS, type PlannedCertificate } from '../../cluster/pki.js';
import { encode } from './der.js';
import { plannedNames, plannedSubject, plannedUsages } from './identity.js';
import type { Signer } from './issue.js';
import { pemBlock } from './pem.js';
import { encodedExtensions, extensionsOf, subjectOf, validityOf } from './x509.js';

const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';

/** A certificate and its key, read from the store; the two are known to belong together. */
export interface Stored {
  readonly certificatePem: string;
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
    return { certificatePem, x509, privateKey };
  } catch {
    return undefined;
  }
}

/** Reads a PKCS#8 private key of any kind; undefined if the text has none. Never quotes the text. */
export function readPrivateKey(text: string): KeyObject | undefined {
  const pem = pemBlock(text, 'PRIVATE KEY');
  if (pem === undefined) return undefined;
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Why a stored leaf is not what the plan wants now, or undefined if it is. Its kind of key is not a reason. */
export function reasonToReissue(
  stored: Stored | undefined,
  plan: PlannedCertificate,
  signer: Signer,
  now: Date,
): string | undefined {
  if (stored === undefined) return 'not a certificate with its own private key';
  const { x509 } = stored;
  if (!x509.verify(createPublicKey(signer.privateKey))) return `not signed by the present ${plan.authority}`;
  const { notBefore, notAfter } = validityOf(x509);
  const renewFrom = notAfter.getTime() - RENEWAL_DAYS * 24 * 60 * 60 * 1000;
  // Near the end of its authority a leaf cannot be given more time: another one would be no better.
  const couldLiveLonger = notAfter < validityOf(signer.x509).notAfter;
  if (now >= notAfter || (now.getTime() >= renewFrom && couldLiveLonger)) return `expires ${notAfter.toISOString()}`;
  if (now < notBefore) return `not valid before ${notBefore.toISOString()}`;
  return differenceFromPlan(x509, plan);
}

/** Compares encoded forms, so that nothing in a certificate can be read in a kinder way than it was planned. */
function differenceFromPlan(x509: X509Certificate, plan: PlannedCertificate): string | undefined {
  const stored = extensionsOf(x509);
  const planned = encodedExtensions([plannedUsages(plan), ...plannedNames(plan)]);
  const differs = (oid: string): boolean => stored.get(oid) !== planned.get(oid);
  if (!encode(subjectOf(x509)).equals(encode(plannedSubject(plan)))) return 'other subject than planned';
  if (differs(EXTENDED_KEY_USAGE)) return 'other usages than planned';
  if (differs(SUBJECT_ALT_NAME)) return 'other names than planned';
  return undefined;
}
