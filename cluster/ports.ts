import type { Role } from './spec.js';

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

/** Ports of pods on their node's own network, and of the pod network (VXLAN, over UDP). */
const podPorts: readonly { readonly port: number; readonly program: string }[] = [
  { port: 4443, program: 'metrics-server' },
  { port: 8472, program: 'the pod network' },
];

/** Every port of a cluster that a Service must leave alone. */
export const takenPorts: readonly { readonly port: number; readonly program: string }[] = [
  ...Object.values(componentPorts).flat(),
  ...podPorts,
];

/** Who connects to whom, and on which port; every host of the one role must reach every host of the other. */
export const paths: readonly { readonly from: Role; readonly to: Role; readonly port: number }[] = [
  { from: 'etcd', to: 'etcd', port: 2380 },
  { from: 'control-plane', to: 'etcd', port: 2379 },
  { from: 'node', to: 'control-plane', port: 6443 },
  { from: 'control-plane', to: 'node', port: 10250 },
];
