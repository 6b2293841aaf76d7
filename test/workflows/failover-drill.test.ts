import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.js';
import { abortSignal, hostBackSignal, retryStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, untilCancelled } from './mock-activities.js';
import { eventually, failureOf, openStage } from './stage.js';

const stage = openStage('local');

const lease = { lease: 'kube-controller-manager' };
const broken = (message: string): ApplicationFailure => ApplicationFailure.nonRetryable(message);
const inOrder: (keyof Activities)[] = [
  'checkControlPlane',
  'findVictim',
  'powerOff',
  'watchLeasesMove',
  'checkReach',
  'powerOn',
  'awaitRecovery',
];

test('a drill takes the holder away, sees the leases move, and brings it back, in this order', async () => {
  const mock = mockActivities();
  const result = await stage().play('failoverDrill', mock, ({ finished }) => finished(), lease);
  assert.deepEqual(
    mock.calls.map(({ name }) => name),
    inOrder,
  );
  const { steps, ...measured } = result;
  assert.deepEqual(measured, {
    victim: 'master01',
    before: { 'kube-controller-manager': 'master01', 'kube-scheduler': 'master02' },
    after: { 'kube-controller-manager': 'master03', 'kube-scheduler': 'master02' },
    leaseMoveSeconds: 12.5,
    nodesNotReady: [],
  });
  assert.ok(steps.every(({ state }) => state === 'done'));
  assert.equal(steps.find(({ id }) => id === 'lease-moves')?.note, 'moved after 12.5 s');
});

test('the lease that was asked for decides who is taken away', async () => {
  const mock = mockActivities();
  const result = await stage().play('failoverDrill', mock, ({ handle }) => handle.result(), {
    lease: 'kube-scheduler',
  });
  assert.equal(result.victim, 'master02');
  for (const name of ['powerOff', 'watchLeasesMove', 'checkReach', 'powerOn', 'awaitRecovery'] as const) {
    assert.equal(mock.callsOf(name)[0]?.[1], 'master02', name);
  }
});

test('a host without a power command is waited for until a person says that it, and not another, is back', async () => {
  const mock = mockActivities({
    powerOn: () => Promise.resolve({ byCommand: false, changed: 0, note: 'no power.on', attempts: 1 }),
  });
  await stage().play(
    'failoverDrill',
    mock,
    async ({ handle, finished, until, cluster }) => {
      const { waitingFor } = await until((status) => status.waitingFor !== undefined);
      assert.equal(
        waitingFor,
        `switch master01 on, then say so: start-workflow host-back master01 --cluster ${cluster} --reason ...`,
      );
      await handle.signal(hostBackSignal, { host: 'master02', ...ada });
      await handle.signal('host-back');
      await delay(300);
      assert.equal((await until(() => true)).waitingFor, waitingFor);
      assert.deepEqual(mock.callsOf('awaitRecovery'), []);
      await handle.signal(hostBackSignal, { host: 'master01', ...ada });
      await finished();
      assert.equal((await until(() => true)).waitingFor, undefined);
    },
    lease,
  );
});

test('a second attempt to power off does not shift the time that is measured from', async () => {
  const attempts: number[] = [];
  const mock = mockActivities({
    powerOff: () => {
      attempts.push(Date.now());
      return attempts.length === 1
        ? Promise.reject(ApplicationFailure.retryable('no answer'))
        : Promise.resolve({ changed: 1, note: 'told to power off', attempts: attempts.length });
    },
  });
  await stage().play('failoverDrill', mock, ({ finished }) => finished(), lease);
  const [[, , , since] = []] = mock.callsOf('watchLeasesMove');
  const [first = 0, second = 0] = attempts;
  assert.ok(second - first >= 900, 'the second attempt came later');
  const measuredFrom = Date.parse(since as string);
  assert.ok(measuredFrom <= first && measuredFrom > first - 500, `${measuredFrom} is not just before ${first}`);
});

test('nothing is powered off while something is not healthy', async () => {
  let healthy = false;
  const mock = mockActivities({
    checkControlPlane: () =>
      healthy
        ? Promise.resolve({ changed: 0, note: 'healthy', attempts: 1 })
        : Promise.reject(broken('etcd on master03 does not answer')),
  });
  await stage().play(
    'failoverDrill',
    mock,
    async ({ handle, finished, step }) => {
      assert.equal((await step('healthy', 'held')).problem, 'etcd on master03 does not answer');
      assert.deepEqual(mock.callsOf('powerOff'), []);
      healthy = true;
      await handle.signal(retryStepSignal, { step: 'healthy', ...ada });
      await finished();
    },
    lease,
  );
});

test('a drill whose holder could not be spared is held before the power-off, and an abort ends it there', async () => {
  const mock = mockActivities({ findVictim: () => Promise.reject(broken('it is the only master')) });
  await stage().play(
    'failoverDrill',
    mock,
    async ({ handle, step }) => {
      await step('victim', 'held');
      await handle.signal(abortSignal, { ...ada, why: 'not today' });
      assert.equal((await failureOf(handle.result())).type, 'Aborted');
    },
    lease,
  );
  assert.deepEqual(mock.callsOf('powerOff'), []);
});

test('an abort while the leases are watched ends the drill, and says so', async () => {
  const mock = mockActivities({ watchLeasesMove: untilCancelled });
  await stage().play(
    'failoverDrill',
    mock,
    async ({ handle, step }) => {
      await step('lease-moves', 'running');
      await eventually(() => mock.callsOf('watchLeasesMove').length > 0, 'the leases are watched');
      await handle.signal(abortSignal, { ...ada, why: 'enough seen' });
      assert.equal((await failureOf(handle.result())).message, 'aborted: enough seen (by ada)');
    },
    lease,
  );
});
