import { CustomObjectsApi, type V1EndpointSlice } from '@kubernetes/client-node';
import { stuckOn, type Stuck } from '../cluster/service-route.js';
import { hostsWithRole } from '../cluster/topology.js';
import { requireSupport } from '../cluster/versions.js';
import type { ClusterContext } from './cluster-context.js';
import { leaseHolders } from './control-plane.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';

/** A Service that some nodes do not lead to its pods. */
export interface LostService {
  readonly namespace: string;
  readonly name: string;
  /** Addresses of its pods that are ready. */
  readonly pods: readonly string[];
  /** Nodes where its port leads nowhere. */
  readonly cutOff: readonly string[];
}

/** Follows a Service to the nodes that it does not reach; see {@link stuckOn}. */
export async function findStuck(
  { spec, kubernetes }: ClusterContext,
  { namespace, name, pods, cutOff }: LostService,
): Promise<Stuck | undefined> {
  const { endpointSliceVersion: version } = requireSupport(spec.kubernetes);
  const addresses = (api: KubernetesApi, resourceVersion?: string): Promise<string[]> =>
    api.request('list EndpointSlices', async (config) => {
      const { items } = (await config.makeApiClient(CustomObjectsApi).listNamespacedCustomObject({
        group: 'discovery.k8s.io',
        version,
        namespace,
        plural: 'endpointslices',
        labelSelector: `kubernetes.io/service-name=${name}`,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      })) as { items: readonly { endpoints: V1EndpointSlice['endpoints'] | null }[] };
      return items.flatMap(({ endpoints }) => (endpoints ?? []).flatMap((endpoint) => endpoint.addresses));
    });
  const masters = hostsWithRole(spec, 'control-plane');
  const [written, holders, served] = await Promise.all([
    addresses(kubernetes),
    leaseHolders(kubernetes),
    // 0 asks for what the server's cache holds, however old (Kubernetes API concepts, "Resource versions").
    Promise.allSettled(masters.map(async ({ name }) => [name, await addresses(kubernetes.only(name), '0')] as const)),
  ]);
  return stuckOn({
    pods,
    written,
    controllerManager: holders['kube-controller-manager'],
    // Nodes are led past an API server that does not answer.
    served: Object.fromEntries(served.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))),
    cutOff,
  });
}

/** Starts a stuck program again, on one host after the other; returns what was done, in words. */
export async function restart(
  context: ClusterContext,
  { unit, hosts, why }: Stuck,
  signal: AbortSignal,
): Promise<string> {
  for (const host of hosts) {
    await context
      .host(host)
      .run({ title: `restart ${unit}`, command: `systemctl restart ${unit}`, timeoutMs: 150_000, signal });
  }
  return `restarted ${unit} on ${hosts.join(' and ')}, as ${why}`;
}
