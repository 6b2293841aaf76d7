import { createHash, createPublicKey } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import type { AuthorityName, CertificatePlan, PlannedAuthority, PlannedCertificate } from '../../cluster/pki.js';
import type { SecretStore } from '../state-store/state-store.js';
import { readPair, readPrivateKey, reasonToReissue, type Stored } from './inspect.js';
import { generatePrivateKey, type Issued, issueAuthority, issueLeaf, privateKeyPem } from './issue.js';
import { validityOf } from './x509.js';

/** Entries in work at once. Their time goes into flushing files, not into keys (docs/decisions/ecdsa-keys.md). */
const CONCURRENT_ENTRIES = 8;

/** Writers that may be first in a row before this one gives up; two workers need one. */
const MAX_ROUNDS = 5;

export interface PkiEntry {
  readonly name: string;
  /** sha256, in hexadecimal: of a certificate's DER form, of the public key's for a bare key pair. */
  readonly sha256: string;
  /** ISO 8601; absent for a bare key pair. */
  readonly notAfter?: string;
  readonly outcome: 'created' | 'reissued' | 'reused';
  /** Why a leaf was issued again. */
  readonly reason?: string;
}

/** What a cluster's PKI consists of now. No key is in it, so it may travel through Temporal. */
export interface PkiReport {
  readonly authorities: readonly PkiEntry[];
  readonly certificates: readonly PkiEntry[];
  readonly keyPairs: readonly PkiEntry[];
}

/** The PKI in the store is damaged in a way that only a person can mend; the message says how. */
export class PkiError extends Error {}

/**
 * Brings the PKI in the store to the plan: makes what is missing, keeps what fits, issues leaves again that do not fit or
 * expire within 30 days. An authority or bare key pair that exists is never replaced.
 *
 * Idempotent, and safe when several workers do it at once: whoever writes an entry first has made it for all.
 *
 * @throws PkiError if an authority is unreadable, expired, or missing under leaves that it signed.
 */
export async function ensurePki(store: SecretStore, plan: CertificatePlan, now: Date): Promise<PkiReport> {
  const limit = pLimit(CONCURRENT_ENTRIES);
  const [keyPairs, { authorities, certificates }] = await Promise.all([
    Promise.all(plan.keyPairs.map((name) => limit(() => ensureKeyPair(store, name)))),
    ensureCertificates(store, plan, now, limit),
  ]);
  return { authorities, certificates, keyPairs };
}

async function ensureCertificates(
  store: SecretStore,
  plan: CertificatePlan,
  now: Date,
  limit: LimitFunction,
): Promise<Pick<PkiReport, 'authorities' | 'certificates'>> {
  const authorities = await Promise.all(
    plan.authorities.map((authority) => limit(() => ensureAuthority(store, authority, plan, now))),
  );
  const signers = new Map(authorities.map(({ name, signer }) => [name, signer]));
  const certificates = await Promise.all(
    plan.certificates.map((certificate) =>
      limit(() => ensureLeaf(store, certificate, signerOf(signers, certificate), now)),
    ),
  );
  return { authorities: authorities.map(({ entry }) => entry), certificates };
}

/**
 * The certificates among `names` that {@link ensurePki} would issue again, with the reason of each. Changes nothing; what
 * was never issued is not among them.
 */
export async function dueCertificates(
  store: SecretStore,
  plan: CertificatePlan,
  names: ReadonlySet<string>,
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const pair = async (name: string): Promise<Stored | undefined> => {
    const newest = await store.newest(name);
    return newest === undefined ? undefined : readPair(newest.text);
  };
  const due = await Promise.all(
    plan.certificates
      .filter(({ name }) => names.has(name))
      .map(async (certificate): Promise<[string, string][]> => {
        const [stored, signer] = [await pair(certificate.name), await pair(certificate.authority)];
        if (stored === undefined || signer === undefined) return [];
        const reason = reasonToReissue(stored, certificate, signer, now);
        return reason === undefined ? [] : [[certificate.name, reason]];
      }),
  );
  return new Map(due.flat());
}

/** Reads an entry of the PKI; the newest, if a leaf was issued more than once. */
export async function readIssued(store: SecretStore, name: string): Promise<Issued> {
  const newest = await store.newest(name);
  if (newest === undefined) {
    throw new PkiError(
      `nothing named ${name} in the PKI (${store.location(name)}): certificates are issued before use`,
    );
  }
  const privateKey = readPrivateKey(newest.text);
  const pair = readPair(newest.text);
  if (privateKey === undefined) throw new PkiError(`${store.location(name)} holds no private key: restore it`);
  return { privateKey: privateKeyPem(privateKey), ...(pair && { certificate: pair.certificatePem }) };
}

function signerOf(signers: Map<AuthorityName, Stored>, certificate: PlannedCertificate): Stored {
  const signer = signers.get(certificate.authority);
  if (signer === undefined) {
    throw new RangeError(`${certificate.name} wants authority ${certificate.authority}, which the plan does not have`);
  }
  return signer;
}

async function ensureKeyPair(store: SecretStore, name: string): Promise<PkiEntry> {
  return firstWriter(store, name, async (text) => {
    if (text === undefined) return { next: privateKeyPem(await generatePrivateKey()) };
    const key = readPrivateKey(text);
    if (key === undefined) throw new PkiError(`${store.location(name)} is not a private key: restore it from a backup`);
    const sha256 = createHash('sha256')
      .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
      .digest('hex');
    return { done: (outcome) => ({ name, sha256, outcome }) };
  });
}

async function ensureAuthority(
  store: SecretStore,
  authority: PlannedAuthority,
  plan: CertificatePlan,
  now: Date,
): Promise<{ name: AuthorityName; entry: PkiEntry; signer: Stored }> {
  const { name } = authority;
  return firstWriter(store, name, async (text) => {
    if (text === undefined) {
      await refuseOrphans(store, authority, plan);
      return { next: pemOf(await issueAuthority(authority, now)) };
    }
    const signer = readPair(text);
    if (signer === undefined || !signer.x509.verify(createPublicKey(signer.privateKey))) {
      throw new PkiError(
        `${store.location(name)} is not a certificate with its own private key: restore it from a backup; a new authority would lock out every host of the cluster`,
      );
    }
    const { notAfter } = validityOf(signer.x509);
    if (now >= notAfter) {
      throw new PkiError(`authority ${name} expired on ${notAfter.toISOString()}: it must be rotated by hand`);
    }
    return { done: (outcome) => ({ name, signer, entry: certificateEntry(name, signer, outcome) }) };
  });
}

/** Leaves without their authority mean that a part of the store was lost, not that the PKI is new. */
async function refuseOrphans(store: SecretStore, { name }: PlannedAuthority, plan: CertificatePlan): Promise<void> {
  for (const leaf of plan.certificates.filter(({ authority }) => authority === name)) {
    if ((await store.newest(leaf.name)) !== undefined) {
      throw new PkiError(
        `authority ${name} is missing from ${store.location(name)}, but ${leaf.name}, which it signed, is there: restore it from a backup`,
      );
    }
  }
}

async function ensureLeaf(store: SecretStore, plan: PlannedCertificate, signer: Stored, now: Date): Promise<PkiEntry> {
  let reissueReason: string | undefined;
  return firstWriter(store, plan.name, async (text) => {
    const stored = text === undefined ? undefined : readPair(text);
    const reason = text === undefined ? undefined : reasonToReissue(stored, plan, signer, now);
    if (stored !== undefined && reason === undefined) {
      return {
        done: (outcome) => {
          const entry = certificateEntry(plan.name, stored, outcome);
          return outcome === 'created' && reissueReason !== undefined
            ? { ...entry, outcome: 'reissued', reason: reissueReason }
            : entry;
        },
      };
    }
    reissueReason = reason;
    return { next: pemOf(await issueLeaf(plan, signer, now)) };
  });
}

type Decision<T> = { readonly next: string } | { readonly done: (outcome: 'created' | 'reused') => T };

/**
 * Looks at the newest text under a name, lets `decide` accept it or make the next, and looks again after each attempt to
 * add one: what is there then is either its own or that of a writer that was faster.
 */
async function firstWriter<T>(
  store: SecretStore,
  name: string,
  decide: (text: string | undefined) => Promise<Decision<T>>,
): Promise<T> {
  let outcome: 'created' | 'reused' = 'reused';
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const newest = await store.newest(name);
    const decision = await decide(newest?.text);
    if ('done' in decision) return decision.done(outcome);
    const added = await store.add(name, { generation: (newest?.generation ?? 0) + 1, text: decision.next });
    outcome = added ? 'created' : 'reused';
  }
  throw new PkiError(
    `${name} did not settle after ${MAX_ROUNDS} rounds: do workers with different specs or clocks share ${store.location(name)}?`,
  );
}

function certificateEntry(name: string, { x509 }: Stored, outcome: PkiEntry['outcome']): PkiEntry {
  return {
    name,
    sha256: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    notAfter: validityOf(x509).notAfter.toISOString(),
    outcome,
  };
}

/** One text for both, so that a certificate and its key can never be of two different generations. */
function pemOf({ certificate = '', privateKey }: Issued): string {
  return certificate + privateKey;
}
