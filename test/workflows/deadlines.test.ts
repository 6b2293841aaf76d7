import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { Decision } from '../../workflows/engine/approvals.js';
import { approveCsrSignal, retryStepSignal, skipStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, plainStep, requestOf, planOf } from './mock-activities.js';
import { failureOf, openStage } from './stage.js';

/** Hours pass at once here; see temporal.md for the limits of this server. */
const stage = openStage('time-skipping');

const request = requestOf('node01');
const asksPeople = {
  awaitCertificateRequest: () => Promise.resolve({ state: 'asks' as const, request, byInventory: false, attempts: 1 }),
};
const why = 'nobody answered the request of node01 within 86400 s';

test('a request that nobody answers is denied after its deadline, and its token is taken back', async () => {
  const mock = mockActivities(asksPeople);
  const failure = await stage().play('addNode', mock, ({ handle }) => failureOf(handle.result()), { host: 'node01' });
  assert.equal(failure.message, why);
  assert.deepEqual(failure.details, ['ApprovalExpired']);
  const [[, of, decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.deepEqual(of, request);
  assert.deepEqual(decided, { node: 'node01', decision: 'deny', approver: 'deadline', reason: why });
  assert.equal(mock.callsOf('revokeBootstrapToken').length, 1);
  assert.deepEqual(mock.callsOf('awaitNodeReady'), []);
});

test('in a deployment the node that nobody answered for is held; a late decision is refused; the rest can go on', async () => {
  await stage().play('deployHa', mockActivities(asksPeople), async ({ handle, finished, until, step }) => {
    await step('join:node01', 'running');
    await stage().env.sleep('25 hours');
    assert.equal((await step('join:node01', 'held')).problem, why);
    const late: Decision = { node: 'node01', csrSha256: request.csrSha256, decision: 'approve', approver: 'ada' };
    await handle.signal(approveCsrSignal, late);
    const { approvals } = await until(({ approvals: { refused } }) => refused.length > 0);
    assert.equal(approvals.refused[0]?.why, 'node01 has no request waiting; waiting: none');
    await handle.signal(skipStepSignal, { step: 'join:node01', ...ada });
    const { steps } = await finished();
    assert.equal(steps.find(({ id }) => id === 'join:node01')?.state, 'skipped');
  });
});

test('an approval in the last hour is in time', async () => {
  const mock = mockActivities(asksPeople);
  await stage().play(
    'addNode',
    mock,
    async ({ handle, until }) => {
      await until(({ approvals }) => approvals.pending.length > 0);
      await stage().env.sleep('23 hours');
      await handle.signal(approveCsrSignal, {
        node: 'node01',
        csrSha256: request.csrSha256,
        decision: 'approve',
        approver: 'ada',
      });
      await handle.result();
    },
    { host: 'node01' },
  );
});

test('an activity is tried again by itself, and its step is held only once its retries are used up', async () => {
  let mended = false;
  const mock = mockActivities({
    planDeployment: () => planOf([plainStep('bad'), plainStep('good')]),
    applyComponent: (_reference, id) =>
      id === 'bad' && !mended
        ? Promise.reject(ApplicationFailure.retryable('no route to host'))
        : Promise.resolve({ attempts: 1, changed: 1, note: '1 changed' }),
  });
  await stage().play('deployHa', mock, async ({ handle, finished, step }) => {
    await step('good', 'done');
    await stage().env.sleep('10 minutes');
    assert.equal((await step('bad', 'held')).problem, 'no route to host');
    assert.equal(mock.callsOf('applyComponent').filter(([, id]) => id === 'bad').length, 10);
    mended = true;
    await handle.signal(retryStepSignal, { step: 'bad', ...ada });
    const { steps } = await finished();
    assert.ok(steps.every(({ state }) => state === 'done'));
  });
});

test('a node that never asks for a certificate is held, instead of being waited for without end', async () => {
  const mock = mockActivities({
    awaitCertificateRequest: () => Promise.reject(ApplicationFailure.retryable('node01 has not asked yet', 'NotYet')),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ step }) => {
      await step('approve-csr:node01', 'running');
      await stage().env.sleep('1 hour');
      assert.equal((await step('approve-csr:node01', 'held')).problem, 'node01 has not asked yet');
    },
    { host: 'node01' },
  );
});

test('an activity that passes at a later attempt holds nothing', async () => {
  let attempts = 0;
  const mock = mockActivities({
    checkEtcd: () =>
      (attempts += 1) < 4
        ? Promise.reject(ApplicationFailure.retryable('no leader yet'))
        : Promise.resolve({ attempts, changed: 0, note: '1 member' }),
  });
  const { steps } = await stage().play('deployHa', mock, ({ finished }) => finished());
  const health = steps.find(({ id }) => id === 'etcd-health');
  assert.deepEqual([health?.state, health?.attempts, health?.problem], ['done', 4, undefined]);
});
