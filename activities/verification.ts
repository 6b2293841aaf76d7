import type { V1DaemonSet, V1Deployment } from '@kubernetes/client-node';
import { manifestSet, manifestSets } from '../cluster/addons/index.js';
import type { Manifest } from '../cluster/addons/manifest.js';
import type { Stuck } from '../cluster/service-route.js';
import { hostsWithRole } from '../cluster/topology.js';
import { requireSupport } from '../cluster/versions.js';
import { NotYetError } from './activity.js';
import { apiServerReach } from './checks/api-server-reach.js';
import { APPLICATION, HTTP_PORT, NAMESPACE } from './checks/application.js';
import { check, execute, type Check } from './checks/check.js';
import { PODS_DEADLINE_MS, withApplication, type RunningApplication } from './checks/running-application.js';
import type { ClusterContext } from './cluster-context.js';
import { requireEveryApiServer, until } from './control-plane.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { findStuck } from './service-route.js';

export interface Verification {
  readonly checks: readonly Check[];
  /** What keeps Services from their pods, when they do not reach them. */
  readonly stuck?: Stuck | undefined;
}

const API_SERVERS_DEADLINE_MS = 30_000;

/**
 * The seed's own checks ("测试pod"): a deployment spread over nodes, pod to pod across them, a Service, a NodePort on
 * every node, and the name of the DNS Service; and the way back, from every API server to pods. In a namespace of their
 * own, which is removed afterwards.
 */
export async function checkCluster(
  context: ClusterContext,
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Verification> {
  const { spec, kubernetes } = context;
  if (hostsWithRole(spec, 'node').length === 0) {
    // Masters first, nodes later by add-node: there is nothing yet that a pod could run on.
    await until(() => requireEveryApiServer(context), {
      deadlineMs: API_SERVERS_DEADLINE_MS,
      intervalMs: 500,
      signal,
    });
    const name = 'every API server answers; no host has the role node, so no pod can be checked';
    return { checks: [{ name, ok: true, detail: '' }] };
  }
  progress('start the test application');
  return withApplication(context, kubernetes, { signal }, async (running) => {
    progress('check pods, Service, NodePort, DNS, and API servers');
    return checkWith(context, running, signal);
  });
}

async function checkWith(
  context: ClusterContext,
  running: RunningApplication,
  signal: AbortSignal,
): Promise<Verification> {
  const { spec, kubernetes } = context;
  const { pods, nodes } = running;
  const [first] = pods;
  if (first === undefined) throw new NotYetError('no test pod runs');
  const other = pods.find((pod) => pod.node !== first.node) ?? first;
  const inFirst = (name: string, command: readonly string[]): Promise<Check> =>
    check(name, () => execute(kubernetes, first.name, command), signal);
  const get = (url: string): readonly string[] => ['wget', '-q', '-O', '-', url];
  const onNodes = hostsWithRole(spec, 'node').filter(({ name }) => nodes.includes(name));
  const [podToPod, others, nodePorts] = await Promise.all([
    inFirst(`pod to pod, ${first.node} to ${other.node}`, get(`http://${other.address}:${HTTP_PORT}/`)),
    Promise.all([
      inFirst('Service by its cluster IP', get(`http://${running.clusterAddress}/`)),
      inFirst('Service by its name', get(`http://${APPLICATION}.${NAMESPACE}.svc.${spec.network.dnsDomain}/`)),
      inFirst('DNS of kube-dns', ['nslookup', `kube-dns.kube-system.svc.${spec.network.dnsDomain}`]),
      ...hostsWithRole(spec, 'control-plane').map(({ name }) => apiServerReach(kubernetes, name, running, signal)),
      ...addonChecks(context, nodes, signal),
    ]),
    Promise.all(
      onNodes.map(({ name, address }) => inFirst(`NodePort on ${name}`, get(`http://${address}:${running.nodePort}/`))),
    ),
  ]);
  const spread = {
    name: `deployment runs on ${pods.length} node(s)`,
    ok: new Set(pods.map(({ node }) => node)).size === pods.length,
    detail: `pods are on ${pods.map(({ node }) => node).join(', ')}`,
  };
  const cutOff = onNodes.map(({ name }) => name).filter((_name, index) => nodePorts[index]?.ok === false);
  // Where pods do not reach each other, a Service cannot lead to them. What cannot be found out now can be next time.
  const stuck =
    podToPod.ok && cutOff.length > 0
      ? await findStuck(context, {
          namespace: NAMESPACE,
          name: APPLICATION,
          pods: pods.map(({ address }) => address),
          cutOff,
        }).catch(() => undefined)
      : undefined;
  return { checks: [spread, podToPod, ...others, ...nodePorts], stuck };
}

/** Whether what the deployer put into the cluster is as healthy as it was meant to be. */
function addonChecks(context: ClusterContext, nodes: readonly string[], signal: AbortSignal): Promise<Check>[] {
  const { spec, kubernetes } = context;
  const workloads = manifestSets
    .flatMap((set) => manifestSet(set, context))
    .filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment');
  return [
    ...workloads.map((workload) =>
      check(`${workload.metadata.name} is healthy`, () => problemOf(kubernetes, workload), signal, PODS_DEADLINE_MS),
    ),
    ...(requireSupport(spec.kubernetes).metricsServer
      ? [
          check(
            'metrics of every node',
            async () => {
              const measured = await kubernetes.list('metrics.k8s.io/v1beta1', 'NodeMetrics');
              const known = new Set(measured.map(({ metadata }) => metadata?.name));
              const missing = nodes.filter((name) => !known.has(name));
              return missing.length === 0 ? undefined : `none of ${missing.join(', ')}`;
            },
            signal,
            PODS_DEADLINE_MS,
          ),
        ]
      : []),
  ];
}

/** Why a workload of an addon is not healthy; undefined when it is. */
async function problemOf(kubernetes: KubernetesApi, workload: Manifest): Promise<string | undefined> {
  const status = (await kubernetes.read<V1Deployment & V1DaemonSet>(workload))?.status;
  const wanted = status?.desiredNumberScheduled ?? status?.replicas ?? 0;
  const ready = status?.numberReady ?? status?.readyReplicas ?? 0;
  return wanted > 0 && ready === wanted ? undefined : `${ready} of ${wanted} pods are ready`;
}
