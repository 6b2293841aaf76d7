import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostAudit } from '../../cluster/benchmark.js';
import { deploySteps } from '../../cluster/operations/deploy-ha.js';
import { mockActivities, smallSpec, planOf } from './mock-activities.js';
import { openStage } from './stage.js';

const stage = openStage('local');

const failed = [{ id: '1.1.21', title: 'Ensure that key files are 600' }];

function found(host: string): HostAudit {
  return { host, benchmark: 'cis-1.12', passed: 60, failed: host === 'master01' ? failed : [], warned: [] };
}

test('an audit looks at every host and changes nothing', async () => {
  const mock = mockActivities({ auditHost: (_reference, host) => Promise.resolve({ ...found(host), attempts: 1 }) });
  const audits = await stage().play('auditCluster', mock, ({ handle }) => handle.result());
  assert.deepEqual(audits, [found('master01'), found('node01')]);
  assert.deepEqual([...new Set(mock.calls.map(({ name }) => name))], ['listHosts', 'auditHost']);
});

test('a deployment with kube-bench reports what it found, and is not undone by a check that fails', async () => {
  const mock = mockActivities({
    planDeployment: () => planOf(deploySteps(smallSpec, { audit: true })),
    auditHost: (_reference, host) => Promise.resolve({ ...found(host), attempts: 1 }),
  });
  const { audits, steps } = await stage().play('deployHa', mock, ({ finished }) => finished());
  assert.deepEqual(audits, [found('master01'), found('node01')]);
  assert.equal(steps.find(({ id }) => id === 'audit:master01')?.note, '60 passed, 1 failed');
});

test('a deployment without kube-bench has an empty audit', async () => {
  const { audits } = await stage().play('deployHa', mockActivities(), ({ handle }) => handle.result());
  assert.deepEqual(audits, []);
});
