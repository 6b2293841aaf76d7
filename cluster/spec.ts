import { z } from 'zod';
import { parseCidr, parseIpv4, overlaps, contains, blockSize } from './network.js';
import { supportOf, type Runtime } from './versions.js';

/** RFC 1123 label: what Kubernetes accepts as a node name without dots, and what DNS accepts as a host name. */
const label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-", at most 63 characters');
const dnsName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'a DNS name of lower-case letters, digits, "-" and "."');
const address = z.string().refine((text) => parseIpv4(text) !== undefined, 'an IPv4 address such as 172.16.0.101');
const cidr = z
  .string()
  .refine((text) => parseCidr(text) !== undefined, 'an IPv4 block with host bits zero, such as 10.244.0.0/16');
const port = z.int().min(1).max(65535);
const duration = z.string().regex(/^[1-9]\d*(s|m|h|d)$/, 'a duration such as 90s, 30m, 24h or 7d');

const sshFields = {
  user: z.string().min(1),
  port,
  /** Private key file of the operator; `~` is the worker's home directory. */
  identityFile: z.string().min(1),
  /** known_hosts file; by default one in the state store, which belongs to this cluster alone. */
  knownHosts: z.string().min(1).optional(),
  /** `strict`: a host whose key is not known is refused. `accept-new`: first use is trusted, written down and said. */
  hostKeys: z.enum(['strict', 'accept-new']),
};
const sshSchema = z.strictObject({
  ...sshFields,
  user: sshFields.user.default('root'),
  port: sshFields.port.default(22),
  identityFile: sshFields.identityFile.default('~/.ssh/id_ed25519'),
  hostKeys: sshFields.hostKeys.default('strict'),
});
/** What one host does differently; fields without defaults, so that the cluster's own show through. */
const sshOverrideSchema = z.strictObject(sshFields).partial();

/** A command of the operator that reaches a host's power from outside (IPMI, hypervisor, cloud); an argv, no shell. */
const powerCommand = z.array(z.string().min(1)).min(1);
const powerSchema = z.strictObject({
  on: powerCommand,
  /** Hard off, as if the cord were pulled. */
  off: powerCommand.optional(),
});

export const roles = ['etcd', 'control-plane', 'node'] as const;

const hostSchema = z.strictObject({
  name: label,
  address,
  roles: z
    .array(z.enum(roles))
    .min(1, 'at least one role')
    .refine((given) => new Set(given).size === given.length, 'each role once'),
  ssh: sshOverrideSchema.optional(),
  power: powerSchema.optional(),
});

/** Every field of `cluster.yaml`; rules between fields are in {@link validateSpec}. */
export const clusterSchema = z.strictObject({
  name: label,
  kubernetes: z.string().regex(/^v1\.\d+\.\d+$/, 'a full version such as v1.20.2'),
  /** Takes a minor that is newer than every proven one for the newest of them. */
  allowUnprovenVersion: z.boolean().default(false),
  /** DNS domain of the hosts; `<host>.<domain>` resolves on every host. */
  domain: dnsName,
  network: z
    .strictObject({
      pods: cidr.default('10.244.0.0/16'),
      services: cidr.default('10.96.0.0/12'),
      /** Prefix length of each node's share of `pods`. */
      nodeMask: z.int().min(16).max(28).default(24),
      nodePorts: z
        .string()
        .regex(/^\d{1,5}-\d{1,5}$/, 'a port range such as 30000-32767')
        .default('30000-32767'),
      /** How Services become packets. `auto`: nftables from 1.33 where the kernel has it, else iptables. */
      proxyMode: z.enum(['auto', 'ipvs', 'iptables', 'nftables']).default('auto'),
      dnsDomain: dnsName.default('cluster.local'),
    })
    .prefault({}),
  containerRuntime: z.enum(['containerd', 'docker']).default('containerd'),
  apiEndpoint: z
    .strictObject({
      /** `node-local`: every node runs a small TCP proxy to all API servers on 127.0.0.1. */
      mode: z.enum(['node-local']).default('node-local'),
      /** Name of the API in certificates and kubeconfigs; default `kubernetes-api.<domain>`. */
      name: dnsName.optional(),
    })
    .prefault({}),
  controlPlane: z
    .strictObject({
      /** Whether any pod may run on control-plane hosts that are nodes too; else only pods that tolerate their taint. */
      schedulable: z.boolean().default(false),
    })
    .prefault({}),
  approvals: z
    .strictObject({
      /** `human`: a person decides each node's request. `inventory`: an exact match with this file is approved by rule. */
      policy: z.enum(['human', 'inventory']).default('human'),
      /** How long a request may wait for its answer before the step is held. */
      deadline: duration.default('24h'),
    })
    .prefault({}),
  ssh: sshSchema.prefault({}),
  artifacts: z
    .strictObject({
      /** Directory or http(s) URL of the official layout that takes the official sites' place. */
      mirror: z.string().min(1).optional(),
      /** Lock file to use instead of the built-in one for this version. */
      lock: z.string().min(1).optional(),
    })
    .prefault({}),
  /** `machine`: physical or virtual. `container`: system containers (nspawn, LXC) without CAP_SYS_RESOURCE. */
  hostKind: z.enum(['machine', 'container']).default('machine'),
  hosts: z.array(hostSchema).min(1, 'at least one host'),
});

export type Role = (typeof roles)[number];
export type Host = z.infer<typeof hostSchema>;
/** A validated `cluster.yaml` with every default filled in. */
export type ClusterSpec = z.infer<typeof clusterSchema>;

/** Points at a snapshot of the spec in the state store; the spec itself never travels. */
export interface SpecReference {
  readonly cluster: string;
  /** sha256 of the snapshot's canonical JSON. */
  readonly specDigest: string;
}

/** How one host is reached: the cluster's SSH settings under the host's own. */
export function sshSettings(spec: ClusterSpec, host: Host): ClusterSpec['ssh'] {
  const own = Object.fromEntries(Object.entries(host.ssh ?? {}).filter(([, value]) => value !== undefined));
  return { ...spec.ssh, ...own };
}

/** One thing wrong with a spec: where, the value that came, what is allowed and how to mend it. */
export interface SpecProblem {
  /** Path in the document, e.g. `hosts[2].address`. */
  readonly path: (string | number)[];
  readonly value: unknown;
  readonly allowed: string;
  readonly fix: string;
}

/**
 * Validates the parsed document of a `cluster.yaml`.
 *
 * @returns the spec with defaults, or every problem found; nothing is touched either way.
 */
export function validateSpec(document: unknown): { spec: ClusterSpec } | { problems: SpecProblem[] } {
  const secrets = findSecrets(document, []);
  if (secrets.length > 0) return { problems: secrets };
  const parsed = clusterSchema.safeParse(document);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap((issue) => fromIssue(document, issue)) };
  const problems = crossFieldProblems(parsed.data);
  return problems.length > 0 ? { problems } : { spec: parsed.data };
}

function fromIssue(document: unknown, issue: z.core.$ZodIssue): SpecProblem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      value: at(document, [...path, key]),
      allowed: 'no such field',
      fix: 'remove it, or correct its name (docs/spec.md lists every field)',
    }));
  }
  const value = at(document, path);
  const allowed = allowedBy(issue);
  return [{ path, value, allowed, fix: value === undefined ? 'add the field' : `write ${allowed}` }];
}

function allowedBy(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `one of ${issue.values.map((value) => String(value)).join(', ')}`;
  if (issue.code === 'invalid_type') return `a value of type ${issue.expected}`;
  return lowerFirst(issue.message);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function at(document: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null ? (node as Record<string | number, unknown>)[key] : undefined,
    document,
  );
}

const secretKey = /(token|password|passphrase|secret|private[-_]?key)/i;
const secretValue = /-----BEGIN [A-Z ]*PRIVATE KEY-----|^[a-z0-9]{6}\.[a-z0-9]{16}$/;

/** The file is read by many eyes and kept as a snapshot; a secret in it is refused before anything else is looked at. */
function findSecrets(node: unknown, path: (string | number)[]): SpecProblem[] {
  if (typeof node === 'string' && secretValue.test(node)) return [secretProblem(path)];
  if (Array.isArray(node)) return node.flatMap((item, index) => findSecrets(item, [...path, index]));
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    secretKey.test(key) ? [secretProblem([...path, key])] : findSecrets(value, [...path, key]),
  );
}

function secretProblem(path: (string | number)[]): SpecProblem {
  return {
    path,
    value: '(not shown)',
    allowed: 'no token, password or private key in this file',
    fix: 'remove it: the deployer makes its own tokens and keys, and ssh reads a key file by its path (ssh.identityFile)',
  };
}

function crossFieldProblems(spec: ClusterSpec): SpecProblem[] {
  return [...duplicateProblems(spec), ...roleProblems(spec), ...networkProblems(spec), ...versionProblems(spec)];
}

function duplicateProblems({ hosts }: ClusterSpec): SpecProblem[] {
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

function roleProblems({ hosts }: ClusterSpec): SpecProblem[] {
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

/** Prefix lengths of service networks: kube-apiserver refuses more than 20 host bits (its --service-cluster-ip-range). */
const LARGEST_SERVICES = 12;
const SMALLEST_SERVICES = 28;
/** kube-controller-manager refuses to start with more (clusterSubnetMaxDiff of its node IPAM). */
const MAX_SHARE_BITS = 16;

function networkProblems({ network, hosts }: ClusterSpec): SpecProblem[] {
  const problems: SpecProblem[] = [];
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
  const [low = 0, high = 0] = network.nodePorts.split('-').map(Number);
  if (low < 1 || high > 65535 || low > high || (low <= 10259 && high >= 2379)) {
    problems.push({
      path: ['network', 'nodePorts'],
      value: network.nodePorts,
      allowed: 'a rising port range up to 65535 above the components own ports (2379 to 10259)',
      fix: 'write a range such as 30000-32767 or the 20000-50000 of the seed',
    });
  }
  return problems;
}

function versionProblems(spec: ClusterSpec): SpecProblem[] {
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
