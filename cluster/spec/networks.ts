import { blockSize, contains, overlaps, parseCidr, parseIpv4 } from '../network.js';
import { takenPorts } from '../ports.js';
import { sshSettings, type ClusterSpec } from '../spec.js';
import type { SpecProblem } from './problem.js';

/** Prefix lengths of service networks: kube-apiserver refuses more than 20 host bits (its --service-cluster-ip-range). */
const LARGEST_SERVICES = 12;
const SMALLEST_SERVICES = 28;
/** kube-controller-manager refuses to start with more (clusterSubnetMaxDiff of its node IPAM). */
const MAX_SHARE_BITS = 16;

/** Networks that cannot be, or that meet. */
export function networkProblems(spec: ClusterSpec): SpecProblem[] {
  const { network, hosts } = spec;
  const problems = impossibleProblems(spec);
  const pods = parseCidr(network.pods);
  const services = parseCidr(network.services);
  if (pods === undefined || services === undefined) return problems;
  if (overlaps(pods, services)) {
    problems.push({
      path: ['network', 'services'],
      value: network.services,
      allowed: `a block that does not overlap network.pods (${network.pods})`,
      fix: 'choose another block for services or for pods, such as 10.64.0.0/12 and 10.244.0.0/16',
    });
  }
  hosts.forEach((host, index) => {
    const number = parseIpv4(host.address);
    for (const [field, block] of [
      ['pods', pods],
      ['services', services],
    ] as const) {
      if (number !== undefined && contains(block, number)) {
        problems.push({
          path: ['hosts', index, 'address'],
          value: host.address,
          allowed: `an address outside network.${field} (${network[field]})`,
          fix: `choose another block for network.${field}, or correct the address`,
        });
      }
    }
  });
  if (services.prefix < LARGEST_SERVICES || services.prefix > SMALLEST_SERVICES) {
    problems.push({
      path: ['network', 'services'],
      value: network.services,
      allowed: `a block from /${LARGEST_SERVICES} to /${SMALLEST_SERVICES}: the API server takes no larger one, and DNS needs the tenth address`,
      fix: 'choose a block such as 10.64.0.0/12',
    });
  }
  if (network.nodeMask > pods.prefix + MAX_SHARE_BITS) {
    problems.push({
      path: ['network', 'nodeMask'],
      value: network.nodeMask,
      allowed: `at most ${pods.prefix + MAX_SHARE_BITS} with network.pods ${network.pods}: the controller manager counts 2^${MAX_SHARE_BITS} shares`,
      fix: 'give each node a larger share, such as 24, or pods a smaller block',
    });
  } else if (network.nodeMask < pods.prefix) {
    problems.push({
      path: ['network', 'nodeMask'],
      value: network.nodeMask,
      allowed: `at least ${pods.prefix}, the prefix length of network.pods`,
      fix: 'give each node a smaller share, such as 24, or pods a larger block',
    });
  } else {
    const nodes = hosts.filter((host) => host.roles.includes('node')).length;
    const shares = 2 ** (network.nodeMask - pods.prefix);
    if (nodes > shares) {
      problems.push({
        path: ['network', 'pods'],
        value: network.pods,
        allowed: `room for ${nodes} nodes of ${blockSize(network.nodeMask)} addresses each; this block has room for ${shares}`,
        fix: 'widen network.pods or raise network.nodeMask',
      });
    }
  }
  return [...problems, ...nodePortProblems(network.nodePorts, spec)];
}

/** Ports below this are for programs that root starts (Linux, net.ipv4.ip_unprivileged_port_start). */
const FIRST_NODE_PORT = 1024;

/** A Service of anybody may take any of these ports on every node. */
function nodePortProblems(range: string, spec: ClusterSpec): SpecProblem[] {
  const [low = 0, high = 0] = range.split('-').map(Number);
  const problem = (allowed: string, fix: string): SpecProblem[] => [
    { path: ['network', 'nodePorts'], value: range, allowed, fix },
  ];
  if (low < FIRST_NODE_PORT || high > 65535 || low > high) {
    return problem(`a rising port range from ${FIRST_NODE_PORT} to 65535`, 'write a range such as 30000-32767');
  }
  const taken = [
    ...takenPorts,
    ...spec.hosts.map((host) => ({ port: sshSettings(spec, host).port, program: 'sshd' })),
  ].find(({ port }) => low <= port && port <= high);
  if (taken === undefined) return [];
  return problem(`a range without port ${taken.port}, which ${taken.program} has`, 'write a range such as 30000-32767');
}

/** Blocks of which no address can be a host's, a pod's or a Service's (RFC 6890). */
const impossible: readonly (readonly [block: string, what: string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved and broadcast'],
];

function impossibleProblems({ network, hosts }: ClusterSpec): SpecProblem[] {
  const asked = [
    ...(['pods', 'services'] as const).map((field) => ({ path: ['network', field], value: network[field] })),
    ...hosts.map(({ address }, index) => ({ path: ['hosts', index, 'address'], value: address })),
  ];
  return asked.flatMap(({ path, value }): SpecProblem[] => {
    const own = parseCidr(value.includes('/') ? value : `${value}/32`);
    const [block, what] =
      impossible.find(([text]) => {
        const other = parseCidr(text);
        return own !== undefined && other !== undefined && overlaps(own, other);
      }) ?? [];
    if (block === undefined || what === undefined) return [];
    const isBlock = value.includes('/');
    return [
      {
        path,
        value,
        allowed: `${isBlock ? 'a block' : 'an address'} outside ${block} (${what})`,
        fix: isBlock ? 'choose a private block, such as 10.244.0.0/16' : "write the host's own address on its network",
      },
    ];
  });
}
