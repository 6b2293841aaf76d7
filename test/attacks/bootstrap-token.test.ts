import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapTokenId, ensureToken, removeToken } from '../../activities/bootstrap-token.js';
import type { ClusterContext } from '../../activities/cluster-context.js';
import { BOOTSTRAP_GROUP } from '../../cluster/addons/bootstrap-rbac.js';
import { specOf } from '../cluster/documents.js';
import { FakeApiServer } from '../support/fake-api-server.js';

/**
 * A token lets one host ask, and nothing else. The name of its Secret can be foreseen, so the attacker may have put one
 * there, if he may make Secrets in kube-system.
 */

/** Both come to one id of six characters. */
const twins = ['node27859', 'node51679'];

const spec = specOf({
  name: 'demo',
  kubernetes: 'v1.37.1',
  domain: 'example.org',
  hosts: [
    { name: 'master01', address: '172.16.0.101', roles: ['etcd', 'control-plane'] },
    ...twins.map((name, index) => ({ name, address: `172.16.0.11${index}`, roles: ['node'] })),
  ],
});
const id = bootstrapTokenId(spec, 'node27859');
const name = `bootstrap-token-${id}`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A Secret as somebody may have put it there. */
const secret = (
  fields: Readonly<Record<string, string>>,
  type = 'bootstrap.kubernetes.io/token',
): Parameters<FakeApiServer['put']>[1] => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type,
  metadata: { namespace: 'kube-system', name },
  data: Object.fromEntries(
    Object.entries({
      description: 'joins node27859; made by ha-kubernetes',
      'token-id': id,
      'token-secret': 'known2theattackr',
      expiration: new Date(Date.now() + 3600_000).toISOString(),
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': BOOTSTRAP_GROUP,
      ...fields,
    }).map(([key, text]) => [key, base64(text)]),
  ),
});

test('two hosts of one cluster never share a token, though their names come to one id', () => {
  const ids = spec.hosts.map((host) => bootstrapTokenId(spec, host.name));
  assert.equal(new Set(ids).size, ids.length);
  for (const one of ids) assert.match(one, /^[a-z0-9]{6}$/);
});

const planted: [string, Parameters<FakeApiServer['put']>[1]][] = [
  [
    'that is in another group as well',
    secret({ 'auth-extra-groups': `${BOOTSTRAP_GROUP},system:bootstrappers:admins` }),
  ],
  ['that signs', secret({ 'usage-bootstrap-signing': 'true' })],
  ["of another node's", secret({ description: 'joins node51679; made by ha-kubernetes' })],
  ['with another id', secret({ 'token-id': 'aaaaaa' })],
  ['of another type', secret({}, 'Opaque')],
  ['that has ended', secret({ expiration: '2021-01-01T00:00:00Z' })],
];

for (const [title, object] of planted) {
  test(`a Secret ${title} is not used for a token, and goes`, async (t) => {
    const server = await FakeApiServer.start(t);
    const context = { spec, kubernetes: server.api } as unknown as ClusterContext;
    server.put('secrets', object);
    const token = await ensureToken(context, 'node27859');
    assert.match(token, new RegExp(`^${id}\\.[a-z0-9]{16}$`));
    assert.ok(!token.includes('known2theattackr'));
    const [stored] = [...server.objects.values()];
    const fields = Object.keys(stored?.['data'] ?? {}).sort();
    assert.deepEqual(fields, [
      'auth-extra-groups',
      'description',
      'expiration',
      'token-id',
      'token-secret',
      'usage-bootstrap-authentication',
    ]);
    assert.equal(await ensureToken(context, 'node27859'), token, 'its own is used again');
    assert.deepEqual([await removeToken(context, 'node27859'), await removeToken(context, 'node27859')], [true, false]);
  });
}
