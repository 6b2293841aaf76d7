import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { execa } from 'execa';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { mockActivities, plainStep, planOf } from '../workflows/mock-activities.js';
import { openStage } from '../workflows/stage.js';

const stage = openStage('local');
const program = fileURLToPath(new URL('../../client/start-workflow.js', import.meta.url));

async function startWorkflow(
  t: TestContext,
  ...args: string[]
): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa('node', [program, ...args], {
    env: { HA_KUBERNETES_HOME: join(await temporaryDirectory(t), 'home'), TEMPORAL_ADDRESS: stage().env.address },
    stdin: 'ignore',
    reject: false,
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}

test('one cause that held many steps is answered once', async (t) => {
  let mended = false;
  const mock = mockActivities({
    planDeployment: () => planOf(['a', 'b', 'c'].map((id) => plainStep(id))),
    applyComponent: () =>
      mended
        ? Promise.resolve({ attempts: 1, changed: 1, note: '1 changed' })
        : Promise.reject(ApplicationFailure.nonRetryable('the mirror answers 503')),
  });
  await stage().play('deployHa', mock, async ({ handle, cluster, until }) => {
    await until(({ steps }) => steps.length > 0 && steps.every(({ state }) => state === 'held'));
    const of = ['--cluster', cluster, '--reason', 'the mirror is up'];
    const neither = await startWorkflow(t, 'retry-step', ...of);
    assert.deepEqual(
      [neither.exitCode, neither.stderr],
      [2, 'error: name the step, or say --all; start-workflow status shows the held ones'],
    );
    assert.equal((await startWorkflow(t, 'retry-step', 'a', '--all', ...of)).exitCode, 2);
    mended = true;
    const all = await startWorkflow(t, 'retry-step', '--all', ...of);
    assert.deepEqual(
      [all.exitCode, all.stdout.split('\n')],
      [0, ['a will be tried again', 'b will be tried again', 'c will be tried again']],
    );
    await handle.result();
    const none = await startWorkflow(t, 'retry-step', '--all', ...of);
    assert.deepEqual([none.exitCode, none.stderr], [2, `error: no step of ${cluster} is held`]);
  });
});
