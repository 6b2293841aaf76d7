import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { retryStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities } from './mock-activities.js';
import { failureOf, openStage } from './stage.js';

const stage = openStage('time-skipping');
const keep = { deleteData: false };
const unfit = (host: string, ...problems: string[]) => ({ host, problems, notes: [], attempts: 1 });

test('a destroy looks at every host, then brings back nodes before masters, and says where data is', async () => {
  const mock = mockActivities({
    removeFromHost: (_reference, host) =>
      Promise.resolve({
        changed: 3,
        note: '3 things undone',
        attempts: 1,
        kept: host === 'master01' ? ['/kept/etcd'] : [],
      }),
  });
  const result = await stage().play('destroy', mock, ({ finished }) => finished(), keep);
  const calls = mock.calls.map(({ name, args: [, host] }) => (typeof host === 'string' ? `${name} ${host}` : name));
  assert.deepEqual(
    [...calls.slice(0, 3).sort(), ...calls.slice(3)],
    [
      'inspectForRemoval master01',
      'inspectForRemoval node01',
      'planDestruction',
      'removeFromHost node01',
      'removeFromHost master01',
      'removeKubeconfig',
    ],
  );
  assert.equal(result.changed, 7);
  assert.deepEqual(result.hosts, [
    { host: 'node01', changed: 3, kept: [] },
    { host: 'master01', changed: 3, kept: ['/kept/etcd'] },
  ]);
});

test('a host that is not ours ends the run before anything is touched, and every reason is told', async () => {
  const mock = mockActivities({
    inspectForRemoval: (_reference, host) => Promise.resolve(unfit(host, `is part of another cluster`)),
  });
  const failure = await stage().play('destroy', mock, ({ handle }) => failureOf(handle.result()), keep);
  assert.match(failure.message, /^nothing was changed, for 2 reason\(s\):\n/);
  for (const host of ['master01', 'node01']) assert.match(failure.message, new RegExp(`^${host}: is part of `, 'm'));
  assert.deepEqual(mock.callsOf('removeFromHost'), []);
  assert.deepEqual(mock.callsOf('removeKubeconfig'), []);
});

test('a host that will not be cleaned is held, the masters wait for it, and a retry goes on', async () => {
  let mended = false;
  const mock = mockActivities({
    removeFromHost: () =>
      mended
        ? Promise.resolve({ changed: 1, kept: [], note: '', attempts: 1 })
        : Promise.reject(ApplicationFailure.nonRetryable('node01: /etc/hosts has markers not in pairs')),
  });
  await stage().play(
    'destroy',
    mock,
    async ({ handle, finished, step }) => {
      assert.match((await step('remove:node01', 'held')).problem ?? '', /not in pairs/);
      assert.deepEqual(
        mock.callsOf('removeFromHost').map(([, host]) => host),
        ['node01'],
      );
      mended = true;
      await handle.signal(retryStepSignal, { step: 'remove:node01', ...ada });
      await finished();
    },
    keep,
  );
});

test('every attempt at every host puts data aside under one name, and is told whether to delete it', async () => {
  let attempts = 0;
  const mock = mockActivities({
    removeFromHost: () => {
      attempts += 1;
      return attempts === 1
        ? Promise.reject(ApplicationFailure.retryable('no answer'))
        : Promise.resolve({ changed: 0, kept: [], note: '', attempts });
    },
  });
  await stage().play('destroy', mock, ({ finished }) => finished(), { deleteData: true });
  const choices = mock
    .callsOf('removeFromHost')
    .map(([, , choice]) => choice as { deleteData: boolean; stamp: string });
  assert.equal(choices.length, 3);
  assert.equal(new Set(choices.map(({ stamp }) => stamp)).size, 1);
  assert.match(choices[0]?.stamp ?? '', /^\d{8}T\d{6}Z$/);
  assert.ok(choices.every(({ deleteData }) => deleteData));
});
