import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.js';
import { deploySteps } from '../../cluster/operations/deploy-ha.js';
import { StatusReader } from '../../client/run-status.js';
import type { Decision } from '../../workflows/engine/approvals.js';
import {
  abortSignal,
  approveCsrSignal,
  hostBackSignal,
  retryStepSignal,
  skipStepSignal,
} from '../../workflows/messages.js';
import {
  ada,
  mockActivities,
  plainStep,
  requestOf,
  smallSpec,
  untilCancelled,
  type Mock,
  planOf,
} from './mock-activities.js';
import { eventually, failureOf, openStage } from './stage.js';

/** Temporal suggests it so soon here that a run of a dozen steps continues as new several times. */
const stage = openStage('local', ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=25']);

const applied = { attempts: 1, changed: 1, note: '1 changed' };
const broken = (message: string): ApplicationFailure => ApplicationFailure.nonRetryable(message, 'Test');
const approval: Decision = {
  node: 'node01',
  csrSha256: requestOf('node01').csrSha256,
  decision: 'approve',
  approver: 'ada',
};

/** A chain of steps, each needing the one before. */
const chain = (length: number): ReturnType<typeof plainStep>[] =>
  Array.from({ length }, (_, index) => plainStep(`s${index}`, ...(index === 0 ? [] : [`s${index - 1}`])));

/** Number of runs that a workflow has had, by following them back from the newest. */
async function runsOf({ workflowId }: WorkflowHandle): Promise<number> {
  const { client } = stage().env;
  let runs = 0;
  let runId: string | undefined = (await client.workflow.getHandle(workflowId).describe()).runId;
  while (runId !== undefined && runId !== '') {
    runs += 1;
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? undefined;
  }
  return runs;
}

/** Makes the history of a run longer, by what a person may send at any time, until it has continued as new. */
async function continuedAgain(handle: WorkflowHandle, times: number, send: () => Promise<void>): Promise<void> {
  const wanted = (await runsOf(handle)) + times;
  for (let sent = 0; (await runsOf(handle)) < wanted; sent += 10) {
    assert.ok(sent < 500, 'the run never continued as new');
    for (let index = 0; index < 10; index += 1) await send();
  }
}

/** What every activity was called with, as texts; a step that is done twice is there twice. */
const callsOf = ({ calls }: Mock): string[] =>
  calls.map(({ name, args: [, ...args] }) => JSON.stringify([name, ...args]));

test('a deployment continues as new several times, and performs every step exactly once', async () => {
  const mock = mockActivities();
  await stage().play('deployHa', mock, async ({ handle, finished, child }) => {
    const result = await finished();
    assert.ok((await runsOf(handle)) >= 2, `${await runsOf(handle)} runs of the deployment`);
    assert.ok((await runsOf(child('node01'))) >= 3, `${await runsOf(child('node01'))} runs of the join`);
    assert.ok(result.steps.every(({ state, attempts }) => state === 'done' && attempts === 1));
    const ids = result.steps.map(({ id }) => id);
    for (const { id } of deploySteps(smallSpec)) assert.ok(ids.includes(id), id);
    assert.equal(result.checks.length, 1);
    const changed = result.steps.filter(({ id }) => !id.startsWith('join:'));
    assert.equal(
      result.changed,
      changed.reduce((sum, step) => sum + step.changed, 0),
    );
  });
  // Both the deployment and the join make certificates and fetch programs; all else is done once in the whole of it.
  const once = callsOf(mock).filter((call) => !/issueCertificates|fetchArtifacts|inspectHost/.test(call));
  assert.deepEqual([...once].sort(), [...new Set(once)].sort());
});

test('a long chain of steps is done in order over many runs', async () => {
  const steps = chain(30);
  const mock = mockActivities({ planDeployment: () => planOf(steps) });
  await stage().play('deployHa', mock, async ({ handle, finished }) => {
    const result = await finished();
    assert.ok((await runsOf(handle)) >= 5);
    assert.ok(
      result.steps.every(({ state, start, end }) => state === 'done' && start !== undefined && end !== undefined),
    );
    assert.deepEqual(await finished(), result, 'whoever follows the first run gets the result of the last');
  });
  assert.deepEqual(
    mock.callsOf('applyComponent').map(([, id]) => id),
    steps.map(({ id }) => id),
  );
  assert.equal(mock.callsOf('planDeployment').length, 1);
});

test('no step starts while a run waits for those that run, and the status says for which', async () => {
  let release = false;
  const mock = mockActivities({
    planDeployment: () => planOf([plainStep('slow'), ...chain(20)]),
    applyComponent: async (_reference, id) => {
      if (id === 'slow') await eventually(() => release, 'the test lets it go on');
      return applied;
    },
  });
  await stage().play('deployHa', mock, async ({ handle, finished, cluster, until }) => {
    const { pausing, steps } = await until((status) => status.pausing !== undefined);
    assert.deepEqual(pausing, ['Do slow']);
    const waiting = steps.filter(({ state }) => state === 'waiting');
    assert.ok(waiting.length > 5);
    const calls = mock.calls.length;
    assert.equal((await new StatusReader(stage().env.client, cluster).read()).state, 'RUNNING');
    assert.equal(mock.calls.length, calls);
    release = true;
    const result = await finished();
    assert.ok(result.steps.every(({ state }) => state === 'done'));
    assert.ok((await runsOf(handle)) >= 3);
  });
  assert.equal(mock.callsOf('applyComponent').length, 21);
});

test('a held step stays held over a continue-as-new, with its reason and attempts, and can be answered', async () => {
  let mended = false;
  const steps = [plainStep('bad'), plainStep('worse'), ...chain(20), plainStep('last', 's19', 'bad', 'worse')];
  const mock = mockActivities({
    planDeployment: () => planOf(steps),
    applyComponent: (_reference, id) => {
      if ((id === 'bad' || id === 'worse') && !mended) throw broken(`${id}: the disk is full`);
      return Promise.resolve(applied);
    },
  });
  await stage().play('deployHa', mock, async ({ handle, finished, step }) => {
    await step('s19', 'done');
    assert.ok((await runsOf(handle)) >= 3);
    const held = await step('bad', 'held');
    assert.deepEqual([held.problem, held.attempts], ['bad: the disk is full', 1]);
    mended = true;
    await handle.signal(skipStepSignal, { step: 'worse', ...ada });
    await handle.signal(retryStepSignal, { step: 'bad', ...ada });
    const result = await finished();
    const [bad, worse] = ['bad', 'worse'].map((id) => result.steps.find((record) => record.id === id));
    assert.deepEqual([bad?.state, bad?.attempts, bad?.note], ['done', 2, '1 changed']);
    assert.deepEqual([worse?.state, worse?.note], ['skipped', 'held before: worse: the disk is full']);
  });
});

test('an answer that comes while a run pauses is acted on by the next run', async () => {
  let release = false;
  let mended = false;
  const mock = mockActivities({
    planDeployment: () => planOf([plainStep('slow'), plainStep('bad'), plainStep('worse'), ...chain(20)]),
    applyComponent: async (_reference, id) => {
      if (id === 'slow') await eventually(() => release, 'the test lets it go on');
      if ((id === 'bad' || id === 'worse') && !mended) throw broken('no');
      return applied;
    },
  });
  await stage().play('deployHa', mock, async ({ handle, finished, until }) => {
    await until((status) => status.pausing !== undefined);
    mended = true;
    await handle.signal(retryStepSignal, { step: 'bad', ...ada });
    await handle.signal(skipStepSignal, { step: 'worse', ...ada });
    release = true;
    const { steps } = await finished();
    assert.equal(steps.find(({ id }) => id === 'bad')?.state, 'done');
    assert.equal(steps.find(({ id }) => id === 'worse')?.state, 'skipped');
  });
});

test('an abort that comes while a run pauses ends it', async () => {
  const mock = mockActivities({
    planDeployment: () => planOf([plainStep('slow'), ...chain(20)]),
    applyComponent: (_reference, id) => (id === 'slow' ? untilCancelled() : Promise.resolve(applied)),
  });
  await stage().play('deployHa', mock, async ({ handle, until }) => {
    await until((status) => status.pausing !== undefined);
    await handle.signal(abortSignal, { ...ada, why: 'wrong hosts' });
    assert.equal((await failureOf(handle.result())).message, 'aborted: wrong hosts (by ada)');
  });
});

/** A cluster in which a person decides. */
function askingPeople(overrides: Partial<Activities> = {}): Mock {
  return mockActivities({
    awaitCertificateRequest: (_reference, node) =>
      Promise.resolve({ state: 'asks', request: requestOf(node), byInventory: false, attempts: 1 }),
    ...overrides,
  });
}

test('a request that waits for a person, and what was refused, survive a continue-as-new of the join', async () => {
  const mock = askingPeople();
  await stage().play(
    'addNode',
    mock,
    async ({ handle, finished, until }) => {
      await until(({ approvals }) => approvals.pending.length > 0);
      const before = await runsOf(handle);
      let sent = 0;
      for (; (await runsOf(handle)) < before + 2; sent += 1) {
        assert.ok(sent < 300, 'the run never continued as new');
        await handle.signal(approveCsrSignal, { ...approval, node: `node9${sent}` });
      }
      // Signals are taken in by and by.
      const { approvals, steps } = await until(
        (status) => status.approvals.pending.length > 0 && status.approvals.refusedCount >= sent,
      );
      assert.deepEqual(approvals.pending, [requestOf('node01')]);
      assert.equal(approvals.refusedCount, sent);
      assert.ok(steps.filter(({ state }) => state === 'done').length > 5);
      await handle.signal(approveCsrSignal, approval);
      const result = await finished();
      assert.ok(result.steps.every(({ state }) => state === 'done'));
      assert.equal(result.steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'approved by ada');
    },
    { host: 'node01' },
  );
  assert.equal(mock.callsOf('decideCertificateRequest').length, 1);
  assert.equal(mock.callsOf('issueBootstrapToken').length, 1);
});

test('a decision that was made before a continue-as-new is not asked for again', async () => {
  let down = true;
  const mock = askingPeople({
    decideCertificateRequest: () =>
      down ? Promise.reject(broken('the request is gone')) : Promise.resolve({ changed: 1, attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ handle, finished, until, step }) => {
      await until(({ approvals }) => approvals.pending.length > 0);
      await handle.signal(approveCsrSignal, approval);
      await step('approve-csr:node01', 'held');
      await continuedAgain(handle, 1, () => handle.signal(approveCsrSignal, { ...approval, node: 'node09' }));
      const { approvals } = await until((status) => status.steps.length > 0);
      assert.deepEqual(
        approvals.decided.map(({ approver }) => approver),
        ['ada'],
      );
      down = false;
      await handle.signal(retryStepSignal, { step: 'approve-csr:node01', ...ada });
      await finished();
    },
    { host: 'node01' },
  );
});

test('a deployment is aborted with its join, however often the join has continued as new', async () => {
  const mock = askingPeople();
  await stage().play('deployHa', mock, async ({ handle, child, until }) => {
    await until(({ approvals }) => approvals.pending.length > 0, child('node01'));
    assert.ok((await runsOf(child('node01'))) >= 2);
    await handle.signal(abortSignal, { ...ada, why: 'wrong hosts' });
    assert.equal((await failureOf(handle.result())).message, 'aborted: wrong hosts (by ada)');
    assert.equal((await child('node01').describe()).status.name, 'CANCELLED');
  });
});

test('a drill that waits for the power continues as new, and still knows what it measured', async () => {
  const mock = mockActivities({
    powerOn: () => Promise.resolve({ byCommand: false, changed: 0, note: 'no power.on', attempts: 1 }),
  });
  await stage().play(
    'failoverDrill',
    mock,
    async ({ handle, finished, until }) => {
      await until(({ waitingFor }) => waitingFor !== undefined);
      await continuedAgain(handle, 1, () => handle.signal(hostBackSignal, { host: 'master09', ...ada }));
      await until(({ waitingFor }) => waitingFor !== undefined);
      await handle.signal(hostBackSignal, { host: 'master01', ...ada });
      const { steps, ...measured } = await finished();
      assert.ok(steps.every(({ state }) => state === 'done'));
      assert.deepEqual([measured.victim, measured.leaseMoveSeconds], ['master01', 12.5]);
    },
    { lease: 'kube-controller-manager' },
  );
  assert.equal(mock.callsOf('powerOff').length, 1);
});
