import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { retryStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities } from './mock-activities.js';
import { openStage } from './stage.js';

const stage = openStage('local');

const changed = { attempts: 1, changed: 1, note: 'done' };

test('a rotation goes through its phases, each on every API server before the next', async () => {
  const mock = mockActivities();
  const { steps } = await stage().play('rotateEncryptionKey', mock, ({ finished }) => finished());
  assert.ok(steps.every(({ state }) => state === 'done'));
  assert.deepEqual(
    mock.calls.map(({ name, args }) => [name, ...args.slice(1)]),
    [
      ['planRotation'],
      ['advanceEncryptionKey', 'introduced'],
      ['applyComponent', 'master01', 'kube-apiserver', 'any time'],
      ['advanceEncryptionKey', 'promoted'],
      ['applyComponent', 'master01', 'kube-apiserver', 'any time'],
      ['rewriteSecrets'],
      ['advanceEncryptionKey', 'settled'],
      ['applyComponent', 'master01', 'kube-apiserver', 'any time'],
    ],
  );
});

test('the old key stays while Secrets cannot be written anew, and goes once a person has the step retried', async () => {
  let mended = false;
  const mock = mockActivities({
    rewriteSecrets: () => {
      if (!mended) throw ApplicationFailure.nonRetryable('1 of 2 Secrets in etcd are encrypted with key2');
      return Promise.resolve(changed);
    },
  });
  await stage().play('rotateEncryptionKey', mock, async ({ handle, finished, step }) => {
    const { problem } = await step('rewrite', 'held');
    assert.match(problem ?? '', /1 of 2 Secrets/);
    assert.ok(!mock.callsOf('advanceEncryptionKey').some(([, phase]) => phase === 'settled'));
    mended = true;
    await handle.signal(retryStepSignal, { step: 'rewrite', ...ada });
    await finished();
  });
  assert.equal(mock.callsOf('advanceEncryptionKey').at(-1)?.[1], 'settled');
});
