import { createHash, randomInt } from 'node:crypto';
import type { V1Secret } from '@kubernetes/client-node';
import { BOOTSTRAP_GROUP } from '../cluster/addons/bootstrap-rbac.js';
import type { Manifest } from '../cluster/addons/manifest.js';
import { seconds } from '../cluster/duration.js';
import type { ClusterSpec } from '../cluster/spec.js';
import { hostByName } from '../cluster/topology.js';
import type { ClusterContext } from './cluster-context.js';

/**
 * Public half of a node's token. Derived, so that whose token it is can be told from a request without a list; an id has
 * six characters only, so hosts of one spec whose names come to the same id take the next one, in the order of the spec.
 */
export function bootstrapTokenId(spec: ClusterSpec, node: string): string {
  const taken = new Set<string>();
  for (const { name } of spec.hosts.slice(0, spec.hosts.indexOf(hostByName(spec, node)) + 1)) {
    let round = 0;
    let id = derivedId(spec.name, name, round);
    while (taken.has(id)) id = derivedId(spec.name, name, (round += 1));
    taken.add(id);
    if (name === node) return id;
  }
  throw new RangeError(`${node} comes before itself`);
}

function derivedId(cluster: string, node: string, round: number): string {
  const digest = createHash('sha256')
    .update(round === 0 ? `${cluster}/${node}` : `${cluster}/${node}/${round}`)
    .digest();
  return [...digest.subarray(0, 6)].map((byte) => (byte % 36).toString(36)).join('');
}

/** The node's token, made if there is none that lives long enough. */
export async function ensureToken({ kubernetes, spec }: ClusterContext, node: string): Promise<string> {
  const id = bootstrapTokenId(spec, node);
  const object = tokenSecret(id);
  const existing = await kubernetes.read<V1Secret>(object);
  const fields = fieldsOf(existing);
  const secret = fields['token-secret'];
  if (secret !== undefined && Date.parse(fields['expiration'] ?? '') > Date.now() + 10 * 60_000) {
    if (isExactly(existing, fieldsOfToken(id, secret, fields['expiration'] ?? '', node))) return `${id}.${secret}`;
  }
  // What stands there under this name, and is no token as this one must be, may have given its holder more: it goes.
  if (existing !== undefined) await kubernetes.remove(object);
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const made = Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join('');
  // The kubelet asks with it until its request is decided: it outlives the deadline by an hour.
  const expiration = new Date(Date.now() + (seconds(spec.approvals.deadline) + 3600) * 1000);
  const text = expiration.toISOString().replace(/\.\d+Z$/, 'Z');
  await kubernetes.apply({ ...object, type: TYPE, stringData: fieldsOfToken(id, made, text, node) });
  return `${id}.${made}`;
}

/** Takes a node's token back; returns whether there was one. */
export async function removeToken({ kubernetes, spec }: ClusterContext, node: string): Promise<boolean> {
  const secret = tokenSecret(bootstrapTokenId(spec, node));
  if ((await kubernetes.read(secret)) === undefined) return false;
  await kubernetes.remove(secret);
  return true;
}

const TYPE = 'bootstrap.kubernetes.io/token';

function tokenSecret(id: string): Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'> {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` } };
}

function fieldsOfToken(id: string, secret: string, expiration: string, node: string): Record<string, string> {
  return {
    description: `joins ${node}; made by ha-kubernetes`,
    'token-id': id,
    'token-secret': secret,
    expiration,
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': BOOTSTRAP_GROUP,
  };
}

function fieldsOf(secret: V1Secret | undefined): Partial<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

/** Another group, or the usage for signing, is more than a joining kubelet may have. */
function isExactly(secret: V1Secret | undefined, wanted: Readonly<Record<string, string>>): boolean {
  const fields = fieldsOf(secret);
  return (
    secret?.type === TYPE &&
    Object.keys(fields).length === Object.keys(wanted).length &&
    Object.entries(wanted).every(([key, value]) => fields[key] === value)
  );
}
