import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import { watch } from '../../client/progress.js';
import { NoWorkerError, StatusReader } from '../../client/run-status.js';
import { clusterWorkflowId, TASK_QUEUE } from '../../workflows/messages.js';
import { freePort } from '../support/loopback.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { startTemporalServer, temporalProgram } from '../support/temporal-server.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const seed = join(root, 'examples/seed.yaml');
const cluster = 'mykernel';

let server: TestWorkflowEnvironment;
before(async () => {
  server = await startTemporalServer('local');
});
after(() => server.teardown());

/** Runs start-workflow as a user does, against the server of this file, which has no worker: nothing is done. */
async function startWorkflow(
  t: TestContext,
  ...args: string[]
): Promise<{ exitCode: number | undefined; stderr: string }> {
  const { exitCode, stderr } = await execa('node', [join(root, 'dist/client/start-workflow.js'), ...args], {
    env: { HA_KUBERNETES_HOME: await temporaryDirectory(t), TEMPORAL_ADDRESS: server.address },
    stdin: 'ignore',
    reject: false,
    timeout: 60_000,
  });
  return { exitCode, stderr };
}

test('a second change of a cluster, whatever it is, is refused with what holds the cluster, since when and by whom', async (t) => {
  const first = await startWorkflow(t, 'deploy-ha', '-f', seed, '--detach');
  assert.equal(first.exitCode, 0, first.stderr);
  for (const second of [['deploy-ha'], ['add-node', 'node01'], ['failover-drill']]) {
    const { exitCode, stderr } = await startWorkflow(t, ...second, '-f', seed, '--detach');
    assert.equal(exitCode, 2, second.join(' '));
    assert.match(
      stderr,
      /^error: cluster mykernel is being changed already, one change at a time: deploy-ha, started \d{4}-\S+Z by \S+@\S+ \(workflow ha-kubernetes\/mykernel\); watch it: start-workflow status --cluster mykernel --watch; or end it: /,
    );
  }
  await server.client.workflow.getHandle(clusterWorkflowId(cluster)).terminate();
  const join = await startWorkflow(t, 'add-node', 'node01', '-f', seed, '--detach');
  assert.equal(join.exitCode, 0, join.stderr);
  assert.match(
    (await startWorkflow(t, 'deploy-ha', '-f', seed)).stderr,
    /one change at a time: add-node node01, started/,
  );
  await server.client.workflow.getHandle(clusterWorkflowId(cluster)).terminate();
});

/** What a client says on stderr meanwhile. */
function stderrOf(t: TestContext): string[] {
  const said: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
  return said;
}

/** A server in a process of its own, to be killed. */
async function killableServer(t: TestContext): Promise<{ client: Client; kill: () => Promise<void> }> {
  const port = await freePort();
  const server = execa(temporalProgram('temporal'), ['server', 'start-dev', '--headless', '--port', `${port}`], {
    stdio: 'ignore',
    reject: false,
  });
  const kill = async (): Promise<void> => {
    server.kill('SIGKILL');
    await server;
  };
  t.after(kill);
  const connection = await Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: '20 seconds' });
  t.after(() => connection.close());
  return { client: new Client({ connection }), kill };
}

test('a client whose server goes away for good says so once, and ends with how to attach again', async (t) => {
  const { client, kill } = await killableServer(t);
  await client.workflow.start('deployHa', { workflowId: clusterWorkflowId('gone'), taskQueue: TASK_QUEUE });
  await assert.rejects(new StatusReader(client, 'gone').read(), NoWorkerError);
  await kill();
  const said = stderrOf(t);
  await assert.rejects(
    watch(() => new StatusReader(client, 'gone').read(), 'gone', 1_000),
    {
      message:
        /^the Temporal server has not answered for 1 s \(.*\); the run goes on by itself once the server is back; attach again: start-workflow status --cluster gone --watch$/,
    },
  );
  assert.equal(said.filter((text) => text.includes('does not answer')).length, 1, said.join(''));
});
