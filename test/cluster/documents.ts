import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse } from 'yaml';
import { type ArtifactLock, artifactLockSchema } from '../../cluster/artifacts.js';
import type { HostFacts } from '../../cluster/facts.js';
import type { ClusterSpec, Role } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';

/** What a Debian 12 with a new kernel says of itself. */
export const debianFacts: HostFacts = {
  distribution: 'debian-12',
  machine: 'x86_64',
  resolvConf: '/etc/resolv.conf',
  ipvs: false,
  nftables: true,
  cgroup: 'v2',
};

/** A cluster file as YAML gives it, before anything has checked it. */
export type Document = Record<string, unknown> & {
  network: Record<string, unknown>;
  hosts: (Record<string, unknown> & { name: string; address: string; roles: string[] })[];
};

const seedText = readFileSync(new URL('../../../examples/seed.yaml', import.meta.url), 'utf8');

const locks = new URL('../../../cluster/locks/', import.meta.url);

/** The lock of official releases of a version, or of another patch of its minor. */
export function lockFor(kubernetes: string): ArtifactLock {
  const minor = kubernetes.slice(0, kubernetes.lastIndexOf('.') + 1);
  const file = readdirSync(locks).find((name) => name.startsWith(minor));
  if (file === undefined) throw new Error(`there is no lock of ${minor}x`);
  return artifactLockSchema.parse(parse(readFileSync(new URL(file, locks), 'utf8')));
}

/** A fresh copy of `examples/seed.yaml`, to be spoiled at will. */
export function seedDocument(): Document {
  return parse(seedText) as Document;
}

/** The validated spec of a document that must be a good one. */
export function specOf(document: unknown): ClusterSpec {
  const result = validateSpec(document);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.spec;
}

/** Valid clusters of every shape: 1, 3 or 5 etcd hosts, roles apart or together, with and without nodes. */
export const anySpec: fc.Arbitrary<ClusterSpec> = fc
  .record({
    etcd: fc.constantFrom(1, 3, 5),
    masters: fc.integer({ min: 1, max: 4 }),
    nodes: fc.integer({ min: 0, max: 6 }),
    // How many of the hosts of one role have the next one too.
    shared: fc.integer({ min: 0, max: 4 }),
    hostKind: fc.constantFrom('machine', 'container'),
    policy: fc.constantFrom('human', 'inventory'),
    kubernetes: fc.constantFrom('v1.20.2', 'v1.35.8', 'v1.36.4', 'v1.37.2'),
  })
  .map(({ etcd, masters, nodes, shared, hostKind, policy, kubernetes }) => {
    const rolesAt = new Map<number, string[]>();
    const give = (role: Role, from: number, count: number): void => {
      for (let index = from; index < from + count; index += 1) {
        rolesAt.set(index, [...(rolesAt.get(index) ?? []), role]);
      }
    };
    give('etcd', 0, etcd);
    const firstMaster = Math.max(0, etcd - shared);
    give('control-plane', firstMaster, masters);
    give('node', Math.max(0, Math.max(etcd, firstMaster + masters) - shared), nodes);
    return specOf({
      name: 'any',
      kubernetes,
      domain: 'example.org',
      hostKind,
      approvals: { policy },
      hosts: [...rolesAt].map(([index, has]) => ({
        name: `host-${String(index)}`,
        address: `172.16.0.${String(index + 1)}`,
        roles: has,
      })),
    });
  });
