import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { watch } from '../../client/progress.js';
import { StatusReader } from '../../client/run-status.js';
import { mockActivities } from '../workflows/mock-activities.js';
import { openStage } from '../workflows/stage.js';

const stage = openStage('local');

/** Fails some times, then succeeds. */
function failing<Outcome>(times: number, why: string, outcome: Outcome): () => Promise<Outcome> {
  let left = times;
  return () => (left-- > 0 ? Promise.reject(ApplicationFailure.retryable(why)) : Promise.resolve(outcome));
}

test('who watches a run is told once why something is tried again, in a join too', async (t) => {
  const said: string[] = [];
  const done = { changed: 0, attempts: 1, note: '' };
  const mock = mockActivities({
    verifyCluster: failing(2, 'failed: DNS of kube-dns', { ...done, checks: [] }),
    awaitNodeReady: failing(2, 'node01 is not Ready', done),
  });
  await stage().play('deployHa', mock, async ({ handle, cluster }) => {
    t.mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
    await watch(() => new StatusReader(stage().env.client, cluster).read(), cluster);
    t.mock.restoreAll();
    await handle.result();
  });
  for (const why of ['failed: DNS of kube-dns', 'node01 is not Ready']) {
    const lines = said.filter((text) => text.includes(why));
    assert.match(lines.join(''), /^ *\d+\.\d s {2}again {2}attempt 2, as the one before failed: .*\n$/, why);
  }
});
