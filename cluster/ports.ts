import { allPorts } from './components/index.js';
import type { ClusterSpec, Host, Role } from './spec.js';
import { API_PORT, hostsWithRole, KONNECTIVITY_PORT, konnectivityServers } from './topology.js';

/** Units of all components that listen somewhere, whatever the host. */
export const listeningUnits: readonly string[] = [...new Set(allPorts.map(({ unit }) => unit))];

/** The pod network's (VXLAN, over UDP). */
const POD_NETWORK = { port: 8472, program: 'the pod network' };

/** Every port of a cluster that a Service must leave alone. */
export const takenPorts: readonly { readonly port: number; readonly program: string }[] = [...allPorts, POD_NETWORK];

/** A way that must be free between hosts: from every host of a role to some others, on a TCP port. */
export interface Path {
  readonly from: Role;
  readonly to: (spec: ClusterSpec) => readonly Host[];
  readonly port: number;
}

/**
 * Who connects to whom. A kubelet is asked by pods such as metrics-server; the API servers of hosts without pods reach it
 * through the tunnel that it opens.
 */
export const paths: readonly Path[] = [
  { from: 'etcd', to: (spec) => hostsWithRole(spec, 'etcd'), port: 2380 },
  { from: 'control-plane', to: (spec) => hostsWithRole(spec, 'etcd'), port: 2379 },
  { from: 'node', to: (spec) => hostsWithRole(spec, 'control-plane'), port: API_PORT },
  { from: 'node', to: konnectivityServers, port: KONNECTIVITY_PORT },
];

/** Who connects to every node: too many for each to try each, so one tries for all. */
export const nodePath: Path = { from: 'node', to: (spec) => hostsWithRole(spec, 'node'), port: 10250 };
