import { readFileSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
import { parse } from 'yaml';
import type { ClusterSpec } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import type { Decision } from '../../workflows/engine/approvals.js';
import {
  abortSignal,
  approveCsrSignal,
  hostBackSignal,
  retryStepSignal,
  skipStepSignal,
} from '../../workflows/messages.js';
import { ada, mockActivities, requestOf, untilCancelled } from '../workflows/mock-activities.js';
import { startStage } from '../workflows/stage.js';
import { recordHistory } from './histories.js';

/**
 * `node dist/test/replay/record-mocked.js`: runs the seed's workflows with mocked activities and records them, for the
 * ways through a workflow that a good run on real hosts does not take. Run it after a change of a workflow that is
 * meant to break replay, and say in the commit why nobody's running deployment is hurt.
 */
const seed = readFileSync(new URL('../../../examples/seed.yaml', import.meta.url), 'utf8');
const spec = specOf(parse(seed));
const stage = await startStage('local');
const decision = (node: string, attempt: number, decide: Decision['decision']): Decision => ({
  node,
  csrSha256: requestOf(node, attempt).csrSha256,
  decision: decide,
  approver: 'ada',
});
const record = async (workflowId: string, name: string): Promise<void> => {
  process.stdout.write(`${await recordHistory(stage.env.client, workflowId, `mocked-${name}`)}\n`);
};

function specOf(document: unknown): ClusterSpec {
  const result = validateSpec(document);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.spec;
}

/** Activities of a cluster in which a person decides; each time that a node asks, it is with another key. */
function askingPeople(overrides: Parameters<typeof mockActivities>[0] = {}): ReturnType<typeof mockActivities> {
  const attempts = new Map<string, number>();
  return mockActivities(
    {
      awaitCertificateRequest: (_reference, node) => {
        const attempt = (attempts.get(node) ?? 0) + 1;
        attempts.set(node, attempt);
        return Promise.resolve({ state: 'asks', request: requestOf(node, attempt), byInventory: false, attempts: 1 });
      },
      ...overrides,
    },
    spec,
  );
}

try {
  await stage.play('deployHa', askingPeople(), async ({ handle, child, until }) => {
    for (const node of ['node01', 'node02', 'node03']) {
      await until(({ approvals }) => approvals.pending.length > 0, child(node));
      await handle.signal(approveCsrSignal, decision(node, 1, 'approve'));
    }
    await handle.result();
    await record(handle.workflowId, 'deploy-ha');
    await record(child('node01').workflowId, 'add-node');
  });

  let mended = false;
  const troubled = askingPeople({
    checkEtcd: () =>
      mended
        ? Promise.resolve({ attempts: 1, changed: 0, note: '3 members' })
        : Promise.reject(ApplicationFailure.nonRetryable('no leader')),
  });
  await stage.play('deployHa', troubled, async ({ handle, child, step, until }) => {
    await step('etcd-health', 'held');
    mended = true;
    await handle.signal(retryStepSignal, { step: 'etcd-health', ...ada });
    for (const node of ['node01', 'node02', 'node03']) {
      await until(({ approvals }) => approvals.pending.length > 0, child(node));
      await handle.signal(approveCsrSignal, decision(node, 1, node === 'node02' ? 'deny' : 'approve'));
    }
    await step('join:node02', 'held');
    await record(child('node02').workflowId, 'add-node-denied');
    await handle.signal(skipStepSignal, { step: 'join:node02', ...ada });
    await handle.result();
    await record(handle.workflowId, 'deploy-ha-held');
  });

  await stage.play('deployHa', askingPeople({ checkEtcd: untilCancelled }), async ({ handle, step }) => {
    await step('etcd-health', 'running');
    await handle.signal(abortSignal, { ...ada, why: 'wrong hosts' });
    await handle.result().catch(() => undefined);
    await record(handle.workflowId, 'deploy-ha-aborted');
  });

  const byHand = mockActivities(
    { powerOn: () => Promise.resolve({ byCommand: false, changed: 0, note: 'no power.on', attempts: 1 }) },
    spec,
  );
  await stage.play(
    'failoverDrill',
    byHand,
    async ({ handle, until }) => {
      await until(({ waitingFor }) => waitingFor !== undefined);
      await handle.signal(hostBackSignal, { host: 'master01', ...ada });
      await handle.result();
      await record(handle.workflowId, 'failover-drill');
    },
    { lease: 'kube-controller-manager' },
  );

  await stage.play(
    'destroy',
    mockActivities({}, spec),
    async ({ handle }) => {
      await handle.result();
      await record(handle.workflowId, 'destroy');
    },
    { deleteData: false },
  );

  for (const [workflow, name] of [
    ['auditCluster', 'audit'],
    ['rotateEncryptionKey', 'rotate-encryption-key'],
  ] as const) {
    await stage.play(workflow, mockActivities({}, spec), async ({ handle }) => {
      await handle.result();
      await record(handle.workflowId, name);
    });
  }
} finally {
  await stage.env.teardown();
}
