import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiName, hostByName, hostsWithRole, quorum } from '../../cluster/topology.js';
import { seedDocument, specOf } from './documents.js';

const seed = specOf(seedDocument());

test('hosts with a role come in the order of the spec', () => {
  const names = (role: 'etcd' | 'control-plane' | 'node'): string[] =>
    hostsWithRole(seed, role).map(({ name }) => name);
  assert.deepEqual(names('etcd'), ['master01', 'master02', 'master03']);
  assert.deepEqual(names('control-plane'), names('etcd'));
  assert.deepEqual(names('node'), ['node01', 'node02', 'node03']);
});

test('a host that the spec does not have is an error that names those it has', () => {
  assert.throws(
    () => hostByName(seed, 'node04'),
    /no host node04 in cluster mykernel; its hosts are master01, .*node03/,
  );
});

test('the API has the name of the spec, or one in its domain', () => {
  assert.equal(apiName(seed), 'kubernetes-api.mykernel.cn');
  assert.equal(apiName(specOf({ ...seedDocument(), apiEndpoint: { name: 'api.example.org' } })), 'api.example.org');
});

for (const [members, needed] of [
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [7, 4],
] as const) {
  test(`${members} members need ${needed} to agree`, () => assert.equal(quorum(members), needed));
}
