import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Exec,
  type V1DaemonSet,
  type V1Deployment,
  type V1Namespace,
  type V1Pod,
  type V1Service,
  type V1Status,
} from '@kubernetes/client-node';
import { manifestSet, manifestSets } from '../cluster/addons/index.js';
import type { Manifest } from '../cluster/addons/manifest.js';
import type { Stuck } from '../cluster/service-route.js';
import { hostsWithRole } from '../cluster/topology.js';
import { requireSupport } from '../cluster/versions.js';
import type { ClusterContext } from './cluster-context.js';
import { NotYetError } from './activity.js';
import { nodeStates, requireEveryApiServer, until } from './control-plane.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { findStuck } from './service-route.js';
import { lastWords } from './ssh/errors.js';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Why it failed, in a few words; empty when it passed. */
  readonly detail: string;
}

export interface Verification {
  readonly checks: readonly Check[];
  /** What keeps Services from their pods, when they do not reach them. */
  readonly stuck?: Stuck | undefined;
}

const NAMESPACE = 'ha-kubernetes-check';
const labels = { app: 'myapp' };
const PODS_DEADLINE_MS = 120_000;
const CHECK_DEADLINE_MS = 30_000;

/**
 * The seed's own checks ("测试pod"): a deployment spread over nodes, pod to pod across them, a Service, a NodePort on
 * every node, and the name of the DNS Service; in a namespace of their own, which is removed afterwards.
 */
export async function checkCluster(
  context: ClusterContext,
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Verification> {
  const { spec, kubernetes } = context;
  if (hostsWithRole(spec, 'node').length === 0) {
    // Masters first, nodes later by add-node: there is nothing yet that a pod could run on.
    await until(() => requireEveryApiServer(context), { deadlineMs: CHECK_DEADLINE_MS, intervalMs: 500, signal });
    const name = 'every API server answers; no host has the role node, so no pod can be checked';
    return { checks: [{ name, ok: true, detail: '' }] };
  }
  const nodes = (await nodeStates(kubernetes)).filter(({ ready }) => ready);
  const replicas = Math.max(1, Math.min(2, nodes.length));
  progress('start the test application');
  await until(() => requireNoNamespace(kubernetes), { deadlineMs: PODS_DEADLINE_MS, intervalMs: 1000, signal });
  try {
    for (const manifest of testApplication(requireSupport(spec.kubernetes).checkImage, replicas)) {
      await kubernetes.apply(manifest);
    }
    const pods = await until(() => runningPods(kubernetes, replicas), {
      deadlineMs: PODS_DEADLINE_MS,
      intervalMs: 500,
      signal,
    });
    const service = await kubernetes.read<V1Service>({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: NAMESPACE, name: 'myapp' },
    });
    const nodePort = service?.spec?.ports?.[0]?.nodePort ?? 0;
    const [first] = pods;
    if (first === undefined) return { checks: [] };
    const other = pods.find((pod) => pod.node !== first.node) ?? first;
    const inFirst = (name: string, command: readonly string[]): Promise<Check> =>
      check(name, () => execute(kubernetes, first.name, command), signal);
    const get = (url: string): readonly string[] => ['wget', '-q', '-O', '-', url];
    progress('check pods, Service, NodePort and DNS');
    const onNodes = hostsWithRole(spec, 'node').filter(({ name }) => nodes.some((node) => node.name === name));
    const [podToPod, others, nodePorts] = await Promise.all([
      inFirst(`pod to pod, ${first.node} to ${other.node}`, get(`http://${other.address}/`)),
      Promise.all([
        inFirst('Service by its cluster IP', get(`http://${service?.spec?.clusterIP ?? ''}/`)),
        inFirst('Service by its name', get(`http://myapp.${NAMESPACE}.svc.${spec.network.dnsDomain}/`)),
        inFirst('DNS of kube-dns', ['nslookup', `kube-dns.kube-system.svc.${spec.network.dnsDomain}`]),
        ...addonChecks(context, nodes, signal),
      ]),
      Promise.all(
        onNodes.map(({ name, address }) => inFirst(`NodePort on ${name}`, get(`http://${address}:${nodePort}/`))),
      ),
    ]);
    const spread = {
      name: `deployment runs on ${replicas} node(s)`,
      ok: new Set(pods.map(({ node }) => node)).size === replicas,
      detail: `pods are on ${pods.map(({ node }) => node).join(', ')}`,
    };
    const cutOff = onNodes.map(({ name }) => name).filter((_name, index) => nodePorts[index]?.ok === false);
    // Where pods do not reach each other, a Service cannot lead to them. What cannot be found out now can be next time.
    const stuck =
      podToPod.ok && cutOff.length > 0
        ? await findStuck(context, { namespace: NAMESPACE, pods: pods.map(({ address }) => address), cutOff }).catch(
            () => undefined,
          )
        : undefined;
    return { checks: [spread, podToPod, ...others, ...nodePorts], stuck };
  } finally {
    await kubernetes.remove({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  }
}

/** Whether what the deployer put into the cluster is as healthy as it was meant to be. */
function addonChecks(
  { spec, kubernetes }: ClusterContext,
  nodes: readonly { readonly name: string }[],
  signal: AbortSignal,
): Promise<Check>[] {
  const workloads = manifestSets
    .flatMap((set) => manifestSet(set, spec))
    .filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment');
  const { metricsServerImage } = requireSupport(spec.kubernetes);
  return [
    ...workloads.map((workload) =>
      check(`${workload.metadata.name} is healthy`, () => problemOf(kubernetes, workload), signal, PODS_DEADLINE_MS),
    ),
    ...(metricsServerImage === undefined
      ? []
      : [
          check(
            'metrics of every node',
            async () => {
              const measured = await kubernetes.list('metrics.k8s.io/v1beta1', 'NodeMetrics');
              const known = new Set(measured.map(({ metadata }) => metadata?.name));
              const missing = nodes.map(({ name }) => name).filter((name) => !known.has(name));
              return missing.length === 0 ? undefined : `none of ${missing.join(', ')}`;
            },
            signal,
            PODS_DEADLINE_MS,
          ),
        ]),
  ];
}

/** Why a workload of an addon is not healthy; undefined when it is. */
async function problemOf(kubernetes: KubernetesApi, workload: Manifest): Promise<string | undefined> {
  const status = (await kubernetes.read<V1Deployment & V1DaemonSet>(workload))?.status;
  const wanted = status?.desiredNumberScheduled ?? status?.replicas ?? 0;
  const ready = status?.numberReady ?? status?.readyReplicas ?? 0;
  return wanted > 0 && ready === wanted ? undefined : `${ready} of ${wanted} pods are ready`;
}

/** An interrupted check leaves its namespace, and one that is being removed takes nothing new. */
async function requireNoNamespace(kubernetes: KubernetesApi): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  const found = await kubernetes.read<V1Namespace>(namespace);
  if (found === undefined) return;
  if (found.metadata?.deletionTimestamp === undefined) await kubernetes.remove(namespace);
  throw new NotYetError(`the namespace ${NAMESPACE} of an earlier check is still being removed`);
}

interface RunningPod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
}

/** The test pods in the order of their nodes, so that every check asks from the same one. */
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
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return `${pod.metadata?.name ?? ''} ${waiting?.reason ?? unscheduled?.message ?? pod.status?.phase ?? ''}`;
}

/** A new Service takes a moment to reach every node, so a check may fail at first. */
async function check(
  name: string,
  attempt: () => Promise<string | undefined>,
  signal: AbortSignal,
  deadlineMs = CHECK_DEADLINE_MS,
): Promise<Check> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const detail = await attempt().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (detail === undefined) return { name, ok: true, detail: '' };
    if (Date.now() > deadline) return { name, ok: false, detail };
    await delay(500, undefined, { signal });
  }
}

/** Runs a command in a test pod; resolves to undefined on success, else to the reason. */
async function execute(
  kubernetes: KubernetesApi,
  pod: string,
  command: readonly string[],
): Promise<string | undefined> {
  return kubernetes.request(`run ${command[0] ?? ''} in ${pod}`, async (config) => {
    const output = new PassThrough();
    let text = '';
    output.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-200)));
    return new Promise<string | undefined>((resolve, reject) => {
      const ended = ({ status }: V1Status): void => {
        resolve(status === 'Success' ? undefined : (lastWords(text) ?? 'the command failed'));
      };
      new Exec(config).exec(NAMESPACE, pod, 'myapp', [...command], output, output, null, false, ended).catch(reject);
    });
  });
}

function testApplication(image: string, replicas: number): Manifest[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'myapp', namespace: NAMESPACE },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            // The pods only answer with their own name: nothing is lost when they go at once.
            terminationGracePeriodSeconds: 0,
            automountServiceAccountToken: false,
            affinity: {
              podAntiAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [
                  { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
                ],
              },
            },
            containers: [
              {
                name: 'myapp',
                image,
                imagePullPolicy: 'IfNotPresent',
                ports: [{ containerPort: 80, protocol: 'TCP' }],
                readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'myapp', namespace: NAMESPACE },
      spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] },
    },
  ];
}
