import type { V1Secret } from '@kubernetes/client-node';
import pLimit from 'p-limit';
import { etcdctl } from '../cluster/components/etcd.js';
import { encryptedPrefix, nextRing, phaseOf, type KeyRing, type RotationPhase } from '../cluster/encryption.js';
import { rotationSteps } from '../cluster/operations/rotate-encryption-key.js';
import type { SpecReference } from '../cluster/spec.js';
import { hostsWithRole } from '../cluster/topology.js';
import { activity, NotYetError, PreconditionError } from './activity.js';
import type { ClusterContext } from './cluster-context.js';
import { until } from './control-plane.js';
import type { ActivityDependencies } from './dependencies.js';
import { onEtcdHost } from './etcd.js';
import { planHostState } from './host-state/apply-host-state.js';
import { addRing, newestRing, newSecret, readRing } from './encryption/key-ring.js';

/** Secrets on their way at once. */
const CONCURRENT_SECRETS = 8;

const HEALTH = { deadlineMs: 60_000, intervalMs: 500 };

/** The phase that each phase follows. */
const before: Readonly<Record<RotationPhase, RotationPhase>> = {
  introduced: 'settled',
  promoted: 'introduced',
  settled: 'promoted',
};

/** The rotation of the key that encrypts Secrets. Its state is the ring in the state store and what hosts have of it. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function rotationActivities({ contexts, log }: ActivityDependencies) {
  return {
    planRotation: activity(log, async (_execution, reference: SpecReference) => ({
      steps: rotationSteps((await contexts.get(reference)).spec),
    })),

    /**
     * Takes the ring to a phase, unless an interrupted run has done so. What would make a Secret unreadable is refused:
     * a key encrypts once every API server can decrypt with it, and goes once no Secret needs it.
     */
    advanceEncryptionKey: activity(log, async ({ signal }, reference: SpecReference, phase: RotationPhase) => {
      const context = await contexts.get(reference);
      const stored = await newestRing(context.store.encryption);
      if (stored === undefined) {
        throw new PreconditionError(`${context.spec.name} has no encryption key yet; run deploy-ha first`);
      }
      if (phaseOf(stored.ring) !== before[phase]) return { changed: 0, note: 'an earlier run has done so' };
      if (phase !== 'introduced') await requireRingEverywhere(context, signal);
      if (phase === 'settled') await requireEncrypted(context, stored.ring, signal);
      const ring = nextRing(stored.ring, newSecret());
      const added = await addRing(context.store.encryption, { generation: stored.generation + 1, ring });
      if (!added) throw new NotYetError('another worker has just changed the key ring');
      return { changed: 1, note: `${ring[0].name} encrypts, ${ring.length} key(s) decrypt` };
    }),

    /** Writes every Secret as it is, which the API server encrypts with its first key. */
    rewriteSecrets: activity(log, async ({ signal, progress }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      await requireRingEverywhere(context, signal);
      const secrets = await context.kubernetes.list<V1Secret>('v1', 'Secret');
      const limit = pLimit(CONCURRENT_SECRETS);
      let written = 0;
      await Promise.all(
        secrets.map((secret) =>
          limit(async () => {
            signal.throwIfAborted();
            await context.kubernetes.rewrite({ ...secret, apiVersion: 'v1', kind: 'Secret' });
            written += 1;
            progress(`${written} of ${secrets.length} Secrets`);
          }),
        ),
      );
      const ring = await readRing(context.store.encryption);
      // One that is made between the two counts is no reason to begin again.
      await until(() => requireEncrypted(context, ring, signal), { ...HEALTH, signal });
      return { changed: written, note: `${written} Secrets written anew` };
    }),
  };
}

/** Throws unless every API server has started with the newest ring. */
async function requireRingEverywhere(context: ClusterContext, signal: AbortSignal): Promise<void> {
  for (const { name } of hostsWithRole(context.spec, 'control-plane')) {
    const state = context.desiredState('kube-apiserver', name, await context.facts(name, signal));
    const [change] = await planHostState(context.host(name), state, { content: context.resolver, signal });
    if (change !== undefined) {
      throw new NotYetError(
        `the API server on ${name} does not run with the newest keys yet: ${change.what} (${change.why}); retry its step`,
      );
    }
  }
}

/** Throws unless every Secret in etcd is encrypted with the ring's first key. Values are counted there, and stay there. */
async function requireEncrypted(context: ClusterContext, [key]: KeyRing, signal: AbortSignal): Promise<void> {
  const get = `${etcdctl('https://127.0.0.1:2379')} get /registry/secrets/ --prefix`;
  const stdout = await onEtcdHost(context, (host) =>
    host.run({
      title: 'count encrypted Secrets',
      command: `${get} --keys-only | grep -c ^/registry/secrets/; ${get} --print-value-only | grep -ac '^${encryptedPrefix(key)}'; true`,
      timeoutMs: 60_000,
      signal,
    }),
  );
  const [all, encrypted] = stdout.trim().split('\n').map(Number);
  if (all === undefined || all !== encrypted) {
    throw new NotYetError(`${encrypted ?? 0} of ${all ?? 0} Secrets in etcd are encrypted with ${key.name}`);
  }
}
