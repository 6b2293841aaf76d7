import { seconds } from '../duration.js';
import type { ClusterSpec, Role } from '../spec.js';
import { supportOf, type Runtime } from '../versions.js';
import type { SpecProblem } from './problem.js';

/** Names and addresses that two hosts have. */
export function duplicateProblems({ hosts }: ClusterSpec): SpecProblem[] {
  return (['name', 'address'] as const).flatMap((field) =>
    hosts.flatMap((host, index) => {
      const first = hosts.findIndex((other) => other[field] === host[field]);
      if (first === index) return [];
      return [
        {
          path: ['hosts', index, field],
          value: host[field],
          allowed: `${field === 'name' ? 'a name' : 'an address'} that no other host has (hosts[${first}] has it already)`,
          fix: `give every host its own ${field}`,
        },
      ];
    }),
  );
}

export function roleProblems({ hosts }: ClusterSpec): SpecProblem[] {
  const having = (role: Role): string[] => hosts.filter((host) => host.roles.includes(role)).map((host) => host.name);
  const etcd = having('etcd');
  const controlPlane = having('control-plane');
  const problems: SpecProblem[] = [];
  if (etcd.length % 2 === 0) {
    const quorum = Math.floor(etcd.length / 2) + 1;
    problems.push({
      path: ['hosts'],
      value: `${etcd.length} hosts with role etcd${etcd.length > 0 ? ` (${etcd.join(', ')})` : ''}`,
      allowed: 'an odd number of etcd hosts: 3, 5 or 7 (1 for a test)',
      fix:
        etcd.length === 0
          ? 'give three hosts the role etcd'
          : `add or remove one: ${etcd.length} members need ${quorum} for quorum and survive no more failures than ${etcd.length - 1}`,
    });
  } else if (etcd.length > 7) {
    problems.push({
      path: ['hosts'],
      value: `${etcd.length} hosts with role etcd`,
      allowed: 'at most 7 etcd hosts (every write waits for a majority)',
      fix: 'take the role etcd from some hosts',
    });
  }
  if (controlPlane.length === 0) {
    problems.push({
      path: ['hosts'],
      value: 'no host with role control-plane',
      allowed: 'at least one control-plane host, at least two for high availability',
      fix: 'give two or three hosts the role control-plane',
    });
  }
  return problems;
}

/** What the version of Kubernetes cannot have. */
export function versionProblems(spec: ClusterSpec): SpecProblem[] {
  const support = supportOf(spec.kubernetes, spec.allowUnprovenVersion);
  if ('refusal' in support) {
    return [{ path: ['kubernetes'], value: spec.kubernetes, allowed: support.allowed, fix: support.refusal }];
  }
  const runtime: Runtime = spec.containerRuntime;
  if (!support.runtimes.includes(runtime)) {
    return [
      {
        path: ['containerRuntime'],
        value: runtime,
        allowed: `with Kubernetes ${spec.kubernetes}: ${support.runtimes.join(', ')}`,
        fix: `write containerRuntime: containerd (${support.runtimeReason})`,
      },
    ];
  }
  if (spec.network.proxyMode === 'nftables' && !support.features.nftablesProxy) {
    return [
      {
        path: ['network', 'proxyMode'],
        value: 'nftables',
        allowed: `with Kubernetes ${spec.kubernetes}: auto, iptables, ipvs (nftables is stable from 1.33)`,
        fix: 'write proxyMode: auto',
      },
    ];
  }
  return [];
}

/** kube-controller-manager deletes a request that is pending for 24 hours (certificates/cleaner); an hour is for its way. */
const LONGEST_DEADLINE = '23h';

/** An approval that nobody could give any more. */
export function deadlineProblems({ approvals }: ClusterSpec): SpecProblem[] {
  if (seconds(approvals.deadline) <= seconds(LONGEST_DEADLINE)) return [];
  return [
    {
      path: ['approvals', 'deadline'],
      value: approvals.deadline,
      allowed: `at most ${LONGEST_DEADLINE}: Kubernetes deletes a request that has waited for 24 hours`,
      fix: `write ${LONGEST_DEADLINE} or less; a request that was not answered can be asked for again (retry-step)`,
    },
  ];
}
