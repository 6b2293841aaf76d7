import { z } from 'zod';
import { parseCidr, parseIpv4 } from './network.js';

/** RFC 1123 label: what Kubernetes accepts as a node name without dots, and what DNS accepts as a host name. */
const label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-", at most 63 characters');
/** RFC 1123 again, label by label; a last one of digits alone would make it an address to some programs. */
const dnsName = z
  .string()
  .regex(
    /^(?=.{1,253}$)(?!(.*\.)?(\d+|0x[\da-f]*)$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    'a DNS name, not an address: lower-case letters, digits and "-", at most 63 characters between dots',
  );
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

/** Every field of `cluster.yaml`; rules between fields are in cluster/spec/. */
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
      deadline: duration.default('23h'),
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
  /** Whether etcd's ports answer to etcd and control-plane hosts alone; false for who reads etcd from elsewhere. */
  addressFilters: z.boolean().default(true),
  /** Whether nodes may have swap, in which what pods keep in memory can reach the disk. */
  allowSwap: z.boolean().default(false),
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
