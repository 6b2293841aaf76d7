import type { ClusterSpec, Host, Role } from './spec.js';
import {
  API_PORT,
  hasKonnectivityAgent,
  hostsWithRole,
  KONNECTIVITY_PORT,
  konnectivityServers,
  usesKonnectivity,
} from './topology.js';

/** A TCP port on which a program of a role listens. */
export interface ComponentPort {
  readonly port: number;
  readonly program: string;
  readonly unit: string;
}

/** What listens where, by role (kubernetes.io, "Ports and Protocols"); the API proxy is this project's own. */
const rolePorts: Readonly<Record<Role, readonly ComponentPort[]>> = {
  etcd: [
    { port: 2379, program: 'etcd', unit: 'etcd.service' },
    { port: 2380, program: 'etcd', unit: 'etcd.service' },
  ],
  'control-plane': [
    { port: 6443, program: 'kube-apiserver', unit: 'kube-apiserver.service' },
    { port: 10257, program: 'kube-controller-manager', unit: 'kube-controller-manager.service' },
    { port: 10259, program: 'kube-scheduler', unit: 'kube-scheduler.service' },
  ],
  node: [
    { port: 7443, program: 'the API proxy', unit: 'kube-api-proxy.service' },
    { port: 10248, program: 'kubelet', unit: 'kubelet.service' },
    { port: 10249, program: 'kube-proxy', unit: 'kube-proxy.service' },
    { port: 10250, program: 'kubelet', unit: 'kubelet.service' },
    { port: 10256, program: 'kube-proxy', unit: 'kube-proxy.service' },
  ],
};

const SERVER = { program: 'konnectivity-server', unit: 'konnectivity-server.service' };
const AGENT = { program: 'konnectivity-agent', unit: 'konnectivity-agent.service' };

/** Of a host whose API server uses konnectivity: for agents, metrics and health. */
const konnectivityServerPorts: readonly ComponentPort[] = [8132, 8133, 8134].map((port) => ({ port, ...SERVER }));

/** Of a host with an agent: its proxy to all servers, health, metrics. */
const konnectivityAgentPorts: readonly ComponentPort[] = [
  { port: KONNECTIVITY_PORT, program: 'the API proxy', unit: 'kube-api-proxy.service' },
  { port: 8093, ...AGENT },
  { port: 8094, ...AGENT },
];

/** Every port on which programs of the host listen. */
export function portsOf(spec: ClusterSpec, host: Pick<Host, 'roles'>): ComponentPort[] {
  return [
    ...host.roles.flatMap((role) => rolePorts[role]),
    ...(usesKonnectivity(host) ? konnectivityServerPorts : []),
    ...(hasKonnectivityAgent(spec, host) ? konnectivityAgentPorts : []),
  ];
}

const everyPort = [...Object.values(rolePorts).flat(), ...konnectivityServerPorts, ...konnectivityAgentPorts];

/** Units of all components that listen somewhere, whatever the host. */
export const listeningUnits: readonly string[] = [...new Set(everyPort.map(({ unit }) => unit))];

/** The pod network's (VXLAN, over UDP). */
const POD_NETWORK = { port: 8472, program: 'the pod network' };

/** Every port of a cluster that a Service must leave alone. */
export const takenPorts: readonly { readonly port: number; readonly program: string }[] = [...everyPort, POD_NETWORK];

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
