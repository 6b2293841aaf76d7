import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.js';
import { retryStepSignal, skipStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, plainStep, planOf } from './mock-activities.js';
import { openStage } from './stage.js';

const stage = openStage('local');

const members = ['master01', 'master02', 'master03'];

/** A deployment that would restart three members that serve; `restart` does it, once it is a member's turn. */
function rolling(restart: (host: string) => Promise<void>): Partial<Activities> {
  return {
    planDeployment: () => planOf(members.map((host) => plainStep(host))),
    applyComponent: async (_reference, host, _component, turn) => {
      if (turn === 'any time') return { attempts: 1, changed: 0, note: '', waits: true };
      await restart(host);
      return { attempts: 1, changed: 1, note: '1 changed' };
    },
  };
}

test('members that serve are restarted one at a time', async () => {
  let restarting = 0;
  let most = 0;
  const mock = mockActivities(
    rolling(async () => {
      most = Math.max(most, (restarting += 1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      restarting -= 1;
    }),
  );
  const { changed } = await stage().play('deployHa', mock, ({ finished }) => finished());
  assert.equal(changed, 3);
  assert.equal(most, 1);
});

test('members that do not serve are brought up together', async () => {
  const mock = mockActivities({ planDeployment: () => planOf(members.map((host) => plainStep(host))) });
  await stage().play('deployHa', mock, ({ handle }) => handle.result());
  assert.deepEqual(
    mock.callsOf('applyComponent').map(([, , , turn]) => turn),
    ['any time', 'any time', 'any time'],
  );
});

for (const [answer, signal] of [
  ['tried again', retryStepSignal],
  ['skipped', skipStepSignal],
] as const) {
  test(`no other member is touched while one is held, until it is ${answer}`, async () => {
    let broken = true;
    const touched: string[] = [];
    const mock = mockActivities(
      rolling((host) => {
        touched.push(host);
        if (host === touched[0] && broken) throw ApplicationFailure.nonRetryable('it does not come back');
        return Promise.resolve();
      }),
    );
    await stage().play('deployHa', mock, async ({ handle, finished, until }) => {
      const { steps } = await until((status) => status.steps.some(({ state }) => state === 'held'));
      assert.equal(touched.length, 1);
      assert.equal(steps.filter(({ state }) => state === 'running').length, 2);
      broken = false;
      await handle.signal(signal, { step: touched[0] ?? '', ...ada });
      await finished();
    });
    assert.deepEqual([...new Set(touched)].sort(), members);
    assert.equal(touched.length, answer === 'skipped' ? 3 : 4);
  });
}
