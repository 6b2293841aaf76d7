import { setTimeout as delay } from 'node:timers/promises';
import type { V1Lease, V1Node } from '@kubernetes/client-node';
import { hostOfHolder, leaseNames, type LeaseHolders } from '../cluster/leases.js';
import { hostsWithRole } from '../cluster/topology.js';
import { NotYetError, StillWaitingError } from './activity.js';
import type { ClusterContext } from './cluster-context.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { KubernetesError } from './kubernetes/kubernetes-error.js';
import { RemoteError } from './ssh/errors.js';

/** Throws NotYetError until every API server answers from etcd by itself. */
export async function requireEveryApiServer(context: ClusterContext): Promise<void> {
  await requireApiServers(context, hostsWithRole(context.spec, 'control-plane'));
}

/** {@link requireEveryApiServer}, for some hosts. */
export async function requireApiServers(
  { kubernetes }: ClusterContext,
  masters: readonly { readonly name: string }[],
): Promise<void> {
  const answers = await Promise.allSettled(
    masters.map(({ name }) =>
      kubernetes.only(name).read({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } }),
    ),
  );
  const silent = masters.filter((_master, index) => {
    const answer = answers[index];
    return answer?.status !== 'fulfilled' || answer.value === undefined;
  });
  if (silent.length > 0) {
    throw new NotYetError(`the API server does not answer on ${silent.map(({ name }) => name).join(', ')}`);
  }
}

/** Hosts that hold the leases; throws NotYetError while one is free. */
export async function leaseHolders(kubernetes: KubernetesApi): Promise<LeaseHolders> {
  const holders = await Promise.all(
    leaseNames.map(async (name) => {
      const lease = await kubernetes.read<V1Lease>({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { namespace: 'kube-system', name },
      });
      const holder = lease?.spec?.holderIdentity;
      if (holder === undefined || holder === '') throw new NotYetError(`nobody holds the lease ${name} yet`);
      return [name, hostOfHolder(holder)] as const;
    }),
  );
  return Object.fromEntries(holders) as LeaseHolders;
}

/** What a node says of itself. */
export interface NodeState {
  readonly name: string;
  readonly ready: boolean;
  readonly version: string;
  /** Why it is not Ready, as the kubelet says. */
  readonly reason: string;
}

/** Every node that has registered. */
export async function nodeStates(kubernetes: KubernetesApi): Promise<NodeState[]> {
  return (await kubernetes.list<V1Node>('v1', 'Node')).map(stateOf);
}

/** One node; undefined while it has not registered. */
export async function nodeState(kubernetes: KubernetesApi, name: string): Promise<NodeState | undefined> {
  const node = await kubernetes.read<V1Node>({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  return node === undefined ? undefined : stateOf(node);
}

function stateOf({ metadata, status }: V1Node): NodeState {
  const condition = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    name: metadata?.name ?? '',
    ready: condition?.status === 'True',
    version: status?.nodeInfo?.kubeletVersion ?? '',
    reason: condition?.message ?? 'it has not reported yet',
  };
}

/**
 * Asks again until `look` does not throw NotYetError any more.
 *
 * @param deadlineMs - then the last NotYetError is thrown, and the retry policy decides
 */
export async function until<T>(
  look: () => Promise<T>,
  options: { readonly deadlineMs: number; readonly intervalMs: number; readonly signal: AbortSignal },
): Promise<T> {
  const deadline = Date.now() + options.deadlineMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof NotYetError) || Date.now() > deadline) throw error;
    }
    await delay(options.intervalMs, undefined, { signal: options.signal });
  }
}

/**
 * One attempt of a wait: looks for a second, so that what comes soon is seen soon, and gives its slot of the worker back.
 *
 * @throws StillWaitingError when `look` still throws NotYetError then
 */
export async function waitFor<T>(look: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await until(look, { deadlineMs: 1_000, intervalMs: 250, signal });
  } catch (error) {
    throw error instanceof NotYetError ? new StillWaitingError(error.message) : error;
  }
}

/** While servers start, go or come, what is refused or cannot be reached for now is asked again by {@link until}. */
export function notYet(error: unknown): never {
  const passing = (error instanceof KubernetesError || error instanceof RemoteError) && error.retryable;
  throw passing ? new NotYetError(error.message) : error;
}
