import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Inventory } from './inventory.js';

/** What the cluster file is to say besides the lab's own facts. */
export interface ClusterFileOptions {
  /** Name of the cluster. */
  readonly name: string;
  /** e.g. `v1.20.2` */
  readonly kubernetes: string;
  /** Directory of the artifact mirror. */
  readonly mirror: string;
  /** Hosts to leave out, to be added later. */
  readonly without: readonly string[];
  readonly approvals: 'human' | 'inventory';
}

/** What {@link labPaths} reads, which the worker does not hand on to the programs that it runs. */
const settings = ['HA_KUBERNETES_LAB', 'HA_KUBERNETES_CACHE', 'XDG_CACHE_HOME'];

/** The command that switches hosts, without what it is to do, by whole paths. */
function powerCommand(): string[] {
  const set = settings.flatMap((name) => (process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`]));
  const program = fileURLToPath(new URL('lab.js', import.meta.url));
  return [...(set.length === 0 ? [] : ['/usr/bin/env', ...set]), process.execPath, program, 'power'];
}

/** What a worker has to allow for the cluster files of the lab (power-programs.yaml of its state store). */
export function powerPrograms(): string {
  return stringify([[...powerCommand(), 'on']]);
}

/**
 * A cluster file for the seed's cluster on the lab's hosts: names and networks are the seed's (but for the NodePorts,
 * which are the default that the conformance tests want), keys and power commands the lab's. Hosts named `master...` are etcd and control plane, the others nodes.
 */
export function clusterFile(lab: Inventory, options: ClusterFileOptions): string {
  return stringify({
    name: options.name,
    kubernetes: options.kubernetes,
    domain: 'mykernel.cn',
    network: { pods: '10.244.0.0/16', services: '10.64.0.0/12' },
    // nspawn hosts are system containers, and have this machine's swap, if it has one.
    hostKind: 'container',
    allowSwap: true,
    approvals: { policy: options.approvals },
    ssh: { user: lab.user, identityFile: lab.privateKey, knownHosts: lab.knownHosts },
    artifacts: { mirror: options.mirror, lock: `${options.mirror}/artifacts.lock.yaml` },
    hosts: lab.hosts
      .filter(({ name }) => !options.without.includes(name))
      .map(({ name, address }) => ({
        name,
        address,
        roles: name.startsWith('master') ? ['etcd', 'control-plane'] : ['node'],
        power: {
          on: [...powerCommand(), 'on', name],
          off: [...powerCommand(), 'kill', name],
        },
      })),
  });
}
