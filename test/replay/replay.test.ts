import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, Runtime, Worker, type ReplayResult } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import * as workflows from '../../workflows/index.js';
import { bundleWorkflows } from '../workflows/stage.js';
import { readHistories, textsOf, type RecordedHistory } from './histories.js';

Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
});

const histories = await readHistories();

/** Replays histories against the workflows of a module, by its path from here. */
async function replay(module: string, of: readonly RecordedHistory[]): Promise<Map<string, ReplayResult['error']>> {
  const workflowBundle = await bundleWorkflows(fileURLToPath(new URL(module, import.meta.url)));
  const results = new Map<string, ReplayResult['error']>();
  // Under its own id: a run refuses another.
  for (const { name, workflowId, history } of of) {
    results.set(
      name,
      await Worker.runReplayHistory({ workflowBundle }, history, workflowId).then(
        () => undefined,
        (error: unknown) => error as Error,
      ),
    );
  }
  return results;
}

test('every workflow has a recorded history', () => {
  const recorded = new Set(histories.map(({ workflowType }) => workflowType));
  assert.ok(recorded.size > 0, 'there are no histories');
  assert.deepEqual([...recorded].sort(), Object.keys(workflows).sort());
});

test("today's workflows continue every recorded history", async () => {
  const results = await replay('../../workflows/index.js', histories);
  assert.equal(results.size, histories.length);
  for (const [name, error] of results) assert.equal(error, undefined, `${name}: ${String(error)}`);
});

test('a workflow that was changed cannot continue them, and that is noticed', async () => {
  const deployments = histories.filter(({ workflowType }) => workflowType === 'deployHa');
  assert.ok(deployments.length > 0);
  const results = await replay('./changed/workflows.js', deployments);
  assert.equal(results.size, deployments.length);
  for (const [name, error] of results)
    assert.ok(error instanceof DeterminismViolationError, `${name}: ${String(error)}`);
});

for (const { name, document } of histories) {
  test(`the history ${name} holds no secret and nothing of the machine that it was recorded on`, () => {
    const texts = textsOf(document);
    assert.ok(texts.length > 10);
    for (const text of texts) {
      assert.doesNotMatch(text, /PRIVATE KEY|client-key-data|\b[a-z0-9]{6}\.[a-z0-9]{16}\b/);
      assert.doesNotMatch(text, /(^|[^\w/])\/(root|home|tmp|Users|work)\//);
    }
  });
}
