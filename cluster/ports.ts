import type { ClusterSpec, Host, Role } from './spec.js';
import { hasKonnectivityAgent, KONNECTIVITY_PORT, usesKonnectivity } from './topology.js';

/** A TCP port on which a program of a role listens. */
export interface ComponentPort {
  readonly port: number;
  readonly program: string;
  readonly unit: string;
}

/** What listens where, by role (kubernetes.io, "Ports and Protocols"); the API proxy is this project's own. */
export const componentPorts: Readonly<Record<Role, readonly ComponentPort[]>> = {
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
    ...host.roles.flatMap((role) => componentPorts[role]),
    ...(usesKonnectivity(host) ? konnectivityServerPorts : []),
    ...(hasKonnectivityAgent(spec, host) ? konnectivityAgentPorts : []),
  ];
}

/** The pod network's (VXLAN, over UDP). */
const POD_NETWORK = { port: 8472, program: 'the pod network' };

/** Every port of a cluster that a Service must leave alone. */
export const takenPorts: readonly { readonly port: number; readonly program: string }[] = [
  ...Object.values(componentPorts).flat(),
  ...konnectivityServerPorts,
  ...konnectivityAgentPorts,
  POD_NETWORK,
];

/** Who connects to whom, and on which port; every host of the one role must reach every host of the other. */
export const paths: readonly { readonly from: Role; readonly to: Role; readonly port: number }[] = [
  { from: 'etcd', to: 'etcd', port: 2380 },
  { from: 'control-plane', to: 'etcd', port: 2379 },
  { from: 'node', to: 'control-plane', port: 6443 },
  { from: 'node', to: 'control-plane', port: KONNECTIVITY_PORT },
  { from: 'control-plane', to: 'node', port: 10250 },
];
