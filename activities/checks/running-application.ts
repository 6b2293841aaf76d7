import type { V1Namespace, V1Pod, V1Service } from '@kubernetes/client-node';
import { imageReference } from '../../cluster/artifacts.js';
import { NotYetError } from '../activity.js';
import type { ClusterContext } from '../cluster-context.js';
import { nodeStates, until } from '../control-plane.js';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.js';
import { application, APPLICATION, namespace, NAMESPACE, webhookRegistration, WEBHOOK_NAME } from './application.js';
import { webhookIdentity } from './webhook-identity.js';

/** Longest time for pods to run, or for what an earlier check left to go. */
export const PODS_DEADLINE_MS = 120_000;

export interface RunningPod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
}

/** The test application while it runs. */
export interface RunningApplication {
  /** In the order of their nodes, so that every check asks from the same one. */
  readonly pods: readonly RunningPod[];
  readonly clusterAddress: string;
  readonly nodePort: number;
  /** Nodes that were Ready when it was started. */
  readonly nodes: readonly string[];
}

export interface ApplicationOptions {
  readonly signal: AbortSignal;
  /** A node that takes no pod of it: a dead one counts as Ready for a while. */
  readonly without?: string;
}

/** Runs the test application for as long as `use` takes, through the API servers of `kubernetes`. */
export async function withApplication<T>(
  { lock }: Pick<ClusterContext, 'lock'>,
  kubernetes: KubernetesApi,
  { signal, without }: ApplicationOptions,
  use: (running: RunningApplication) => Promise<T>,
): Promise<T> {
  const nodes = (await nodeStates(kubernetes))
    .filter(({ name, ready }) => ready && name !== without)
    .map(({ name }) => name);
  const replicas = Math.max(1, Math.min(2, nodes.length));
  const wait = { deadlineMs: PODS_DEADLINE_MS, signal };
  await kubernetes.remove(webhookRegistration);
  await until(() => requireNoNamespace(kubernetes), { ...wait, intervalMs: 1000 });
  try {
    const image = imageReference(lock, 'agnhost');
    for (const manifest of application({ image, replicas, without }, await webhookIdentity(WEBHOOK_NAME))) {
      await kubernetes.apply(manifest);
    }
    const pods = await until(() => runningPods(kubernetes, replicas), { ...wait, intervalMs: 500 });
    const service = await kubernetes.read<V1Service>({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: NAMESPACE, name: APPLICATION },
    });
    return await use({
      pods,
      clusterAddress: service?.spec?.clusterIP ?? '',
      nodePort: service?.spec?.ports?.[0]?.nodePort ?? 0,
      nodes,
    });
  } finally {
    await kubernetes.remove(webhookRegistration);
    await kubernetes.remove(namespace);
  }
}

async function runningPods(kubernetes: KubernetesApi, replicas: number): Promise<RunningPod[]> {
  const pods = await kubernetes.list<V1Pod>('v1', 'Pod', { namespace: NAMESPACE });
  const ready = pods.filter((pod) =>
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  if (ready.length < replicas) {
    throw new NotYetError(`${ready.length} of ${replicas} test pods are ready: ${pods.map(stateOf).join('; ')}`);
  }
  return ready
    .map((pod) => ({
      name: pod.metadata?.name ?? '',
      node: pod.spec?.nodeName ?? '',
      address: pod.status?.podIP ?? '',
    }))
    .toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

function stateOf(pod: V1Pod): string {
  const waiting = pod.status?.containerStatuses?.find(({ state }) => state?.waiting !== undefined)?.state?.waiting;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return `${pod.metadata?.name ?? ''} ${waiting?.reason ?? unscheduled?.message ?? pod.status?.phase ?? ''}`;
}

/** An interrupted check leaves its namespace, and one that is being removed takes nothing new. */
async function requireNoNamespace(kubernetes: KubernetesApi): Promise<void> {
  const found = await kubernetes.read<V1Namespace>(namespace);
  if (found === undefined) return;
  if (found.metadata?.deletionTimestamp === undefined) await kubernetes.remove(namespace);
  throw new NotYetError(`the namespace ${NAMESPACE} of an earlier check is being removed`);
}
