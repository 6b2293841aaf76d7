import type { DesiredFile, HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import { BIN, program } from './files.js';

export const PKI = '/etc/kubernetes/pki';

/** The components' own API server; masters do not depend on each other's (seed: "如果都指向一个位置，api server压力大"). */
export const OWN_API_SERVER = 'https://127.0.0.1:6443';

/** The API server's program, sent while etcd elects its leader. */
export function kubeApiserverBinaries(): HostState {
  return { ...nothing, files: [server('kube-apiserver')] };
}

/** The control plane's other programs, sent while the API server starts. */
export function controlPlaneBinaries(): HostState {
  return { ...nothing, files: ['kube-controller-manager', 'kube-scheduler', 'kubectl'].map(server) };
}

function server(name: string): DesiredFile {
  return program(name, 'kubernetes-server', `kubernetes/server/bin/${name}`);
}

/** Path of a program of the control plane. */
export function programPath(name: string): string {
  return `${BIN}/${name}`;
}
