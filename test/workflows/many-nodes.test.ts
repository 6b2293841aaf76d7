import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { step } from '../../cluster/operations/step.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { mockActivities, planOf, specOf } from './mock-activities.js';
import { openStage } from './stage.js';

const stage = openStage('local');

function withNodes(count: number): ClusterSpec {
  return specOf([
    { name: 'master01', address: '172.16.0.101', roles: ['etcd', 'control-plane'] },
    ...Array.from({ length: count }, (_, index) => ({
      name: `node${index + 1}`,
      address: `172.16.1.${index + 1}`,
      roles: ['node'],
    })),
  ]);
}

/** Fails as an attempt of a wait does that has not seen it yet. */
const notYet = (): Promise<never> =>
  Promise.reject(ApplicationFailure.create({ type: 'StillWaiting', message: 'not there yet' }));

test('joins that wait never keep the steps from starting that they wait for, with fewer slots than joins', async () => {
  let answers = false;
  const spec = withNodes(12);
  const asks = new Map<string, number>();
  const mock = mockActivities(
    {
      // What the joins wait for comes last of all that the masters do.
      applyManifests: (_reference, set) => {
        if (set === 'bootstrap-rbac') answers = true;
        return Promise.resolve({ attempts: 1, changed: 1, note: '' });
      },
      awaitControlPlane: () => (answers ? Promise.resolve({ attempts: 1, changed: 0, note: '' }) : notYet()),
      awaitCertificate: (_reference, node) => {
        asks.set(node, (asks.get(node) ?? 0) + 1);
        return (asks.get(node) ?? 0) < 3 ? notYet() : Promise.resolve({ state: 'member', attempts: 1 });
      },
    },
    spec,
  );
  const result = await stage().play('deployHa', mock, ({ finished }) => finished(), {}, { slots: 2 });
  assert.ok(result.steps.every(({ state }) => state === 'done'));
  // The deployment sees the control plane, and tells its joins: no join asks by itself.
  assert.equal(mock.callsOf('awaitControlPlane').length, 1);
});

test('of nodes that are members a quarter is touched at once, and new ones together', async () => {
  const spec = withNodes(8);
  const old = new Set(['node1', 'node2', 'node3', 'node4']);
  const open = { old: 0, new: 0 };
  const most = { old: 0, new: 0 };
  const mock = mockActivities(
    {
      inspectHost: (_reference, host) =>
        Promise.resolve({ host, problems: [], notes: [], clockOffsetMs: 0, member: old.has(host), attempts: 1 }),
      planNode: (_reference, host) => planOf([step({ kind: 'revoke-token', host }, `Take ${host}`, [])]),
      revokeBootstrapToken: async (_reference, host) => {
        const kind = old.has(host) ? 'old' : 'new';
        most[kind] = Math.max(most[kind], (open[kind] += 1));
        await new Promise((resolve) => setTimeout(resolve, 300));
        open[kind] -= 1;
        return { attempts: 1, changed: 0, note: '' };
      },
    },
    spec,
  );
  await stage().play('deployHa', mock, ({ finished }) => finished());
  assert.deepEqual([most.old, most.new > 1], [1, true]);
});
