import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { activity } from '../../activities/activity.js';
import { removalActivities } from '../../activities/destroy.js';
import { RemoteError } from '../../activities/ssh/errors.js';
import { ask, decide, KEPT, noApprovals, type ApprovalState } from '../../workflows/engine/approvals.js';
import { clusterWorkflowId, nodeWorkflowId } from '../../workflows/messages.js';
import { readSteering } from '../../workflows/engine/steering.js';
import { MockActivityEnvironment } from '@temporalio/testing';
import { refusalOf } from '../support/gate.js';
import { ada, mockActivities, requestOf, type Mock } from '../workflows/mock-activities.js';
import { failureOf, openStage } from '../workflows/stage.js';

/**
 * Whoever reaches Temporal can start workflows, with any input under any id, and can send any signal. None of it makes
 * a run do what nobody with authority has decided, nor ends it, nor makes it deaf.
 */

const stage = openStage('local');
const empty = { approvals: noApprovals, asked: {}, children: [], interventions: [] };
const request = requestOf('node01');

/** A cluster in which a person decides. */
const askingPeople = (): Mock =>
  mockActivities({
    awaitCertificateRequest: () => Promise.resolve({ state: 'asks', request, byInventory: false, attempts: 1 }),
  });

const carried: [string, Parameters<ReturnType<typeof stage>['play']>[0], object][] = [
  [
    'a drill on a host of its choice, without a look at the others',
    'failoverDrill',
    {
      lease: 'kube-scheduler',
      carried: {
        ...empty,
        steps: [{ id: 'power-off', title: 'Power off', needs: [] }],
        facts: { victim: 'master01', poweredOffAt: '' },
      },
    },
  ],
  [
    'the removal of a host, with a path of its choice',
    'destroy',
    {
      deleteData: false,
      carried: {
        ...empty,
        steps: [{ id: 'remove:master01', title: 'Remove', needs: [], action: { kind: 'remove', host: 'master01' } }],
        facts: { stamp: '../../../../srv/www', inspections: [], hosts: [] },
      },
    },
  ],
  [
    'an approval that nobody sent',
    'addNode',
    {
      host: 'node01',
      carried: {
        ...empty,
        steps: [
          { id: 'approve-csr:node01', title: 'Approve', needs: [], action: { kind: 'approve-csr', host: 'node01' } },
        ],
        facts: { inspections: [] },
        approvals: {
          ...noApprovals,
          decided: [
            {
              node: 'node01',
              csrSha256: request.csrSha256,
              decision: 'approve',
              approver: 'ada',
              at: '2026-01-01T00:00:00Z',
            },
          ],
        },
      },
    },
  ],
];

for (const [title, workflow, input] of carried) {
  test(`a run whose input carries ${title} is refused, and nothing is done`, async () => {
    const mock = askingPeople();
    await stage().play(
      workflow,
      mock,
      async ({ handle }) => {
        const failure = await failureOf(handle.result());
        assert.match(failure.message, /^a run begins with nothing carried/);
      },
      input,
    );
    assert.deepEqual(mock.calls, []);
  });
}

test('a change under another workflow id, beside the one that runs, is refused', async () => {
  const mock = askingPeople();
  await stage().play(
    'addNode',
    mock,
    async ({ handle, cluster, until }) => {
      await until(({ approvals }) => approvals.pending.length > 0);
      const calls = mock.calls.length;
      const reference = { cluster, specDigest: '0'.repeat(64) };
      const foreign: [string, string, object][] = [
        ['destroy', `started-by-hand-${randomUUID()}`, { ...reference, deleteData: true }],
        ['addNode', nodeWorkflowId(cluster, 'node01'), { ...reference, host: 'node01', approvalDeadlineSeconds: 60 }],
        ['failoverDrill', clusterWorkflowId(`${cluster}-2`), { ...reference, lease: 'kube-scheduler' }],
      ];
      for (const [workflow, workflowId, input] of foreign) {
        const second = await stage().env.client.workflow.start(workflow, {
          workflowId,
          taskQueue: cluster,
          args: [input],
        });
        const failure = await failureOf(second.result());
        assert.match(failure.message, /^the workflow id is \S+, allowed: ha-kubernetes\/test-/);
      }
      assert.equal(mock.calls.length, calls);
      await handle.terminate();
    },
    { host: 'node01' },
  );
});

const names: [string, string][] = [
  ['the rule', 'inventory'],
  ['the rule in capitals', ' Inventory '],
  ['the rule in wide letters', 'ｉｎｖｅｎｔｏｒｙ'],
  ['the deadline', 'deadline'],
  ['the product', 'ha-kubernetes'],
  ['nobody', ' '],
  ['an escape sequence', 'ada\u001b[2K'],
  ['a right-to-left override', 'ada\u202e'],
  ['two megabytes', 'A'.repeat(2_000_000)],
];

for (const [title, approver] of names) {
  test(`whoever calls himself by ${title} decides nothing, and steers nothing`, () => {
    const sent = { node: 'node01', csrSha256: request.csrSha256, decision: 'approve', approver };
    const { state, reply } = decide(ask(noApprovals, request), sent, '2026-01-01T00:00:00Z');
    assert.equal(reply.accepted, false);
    assert.deepEqual([state.decided, state.pending], [[], [request]]);
    assert.equal(typeof readSteering('abort', { by: approver, why: 'x' }), 'string');
    assert.ok(JSON.stringify(state).length < 3_000);
  });
}

/** Texts of any length, as long as a signal may be. */
const hostile = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.integer({ min: 0, max: 1_500_000 }).map((length) => 'x'.repeat(length)),
);
const anyDecision = fc.record({
  node: fc.oneof(fc.constant('node01'), hostile),
  csrSha256: fc.oneof(fc.constant(request.csrSha256), hostile),
  decision: fc.constantFrom('approve', 'deny', 'maybe'),
  approver: fc.oneof(fc.constant('ada'), hostile),
  reason: hostile,
});

test('whatever is sent, however long and often, what a run keeps of it stays small', () => {
  fc.assert(
    fc.property(fc.array(anyDecision, { maxLength: 60 }), (messages) => {
      const state = messages.reduce<ApprovalState>(
        (before, message) => decide(before, message, '2026-01-01T00:00:00.000Z').state,
        ask(noApprovals, request),
      );
      assert.ok(JSON.stringify(state).length < 32_000);
      assert.ok(state.refused.length <= KEPT);
      assert.ok(state.refusedCount >= state.refused.length);
    }),
    { numRuns: 100 },
  );
});

test('a run that got 700 wrong decisions, and three of 1.5 MB, still answers, takes the right one, and ends', async () => {
  const long = 'x'.repeat(1_000_000);
  const mock = mockActivities({
    awaitCertificateRequest: () => Promise.resolve({ state: 'asks', request, byInventory: false, attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ handle, until, status }) => {
      await until(({ approvals }) => approvals.pending.length === 1);
      const wrong = {
        node: 'x'.repeat(1_000),
        csrSha256: 'y'.repeat(1_000),
        decision: 'approve',
        approver: 'z'.repeat(2_000),
      };
      for (let sent = 0; sent < 700; sent += 50) {
        await Promise.all(Array.from({ length: 50 }, () => handle.signal('approve-csr', wrong)));
      }
      for (let sent = 0; sent < 3; sent += 1) {
        await handle.signal('approve-csr', { ...wrong, approver: 'A'.repeat(1_500_000) });
      }
      await handle.signal('skip-step', { step: long, by: 'ada', why: long });
      await handle.signal('host-back', long);
      await handle.signal('passed-decision', { decision: wrong, reference: 'nobody asked' });
      await handle.signal('decision-reply', { reference: 'nobody asked', reply: { accepted: true } });
      await until(({ approvals }) => approvals.refusedCount >= 704);
      const seen = await status();
      assert.equal(seen.approvals.refused.length, KEPT);
      assert.ok(JSON.stringify(seen).length < 256_000, `${JSON.stringify(seen).length} bytes`);
      await handle.signal('abort', { ...ada, why: long });
      const failure = await failureOf(handle.result());
      assert.match(failure.message, /^aborted: x{297}\.\.\. \(by ada\)$/);
    },
    { host: 'node01' },
  );
});

test('who retried, skipped and aborted a run, and why, is in its status', async () => {
  const mock = mockActivities({
    applyComponent: () => Promise.reject(Object.assign(new Error('no'), { nonRetryable: true })),
    checkEtcd: () => Promise.reject(Object.assign(new Error('no'), { nonRetryable: true })),
  });
  await stage().play('deployHa', mock, async ({ handle, until }) => {
    await handle.signal('skip-step', { step: 'verify', by: 'ada', why: 'it is not held' });
    const { approvals } = await until(({ approvals: { refused } }) => refused.length > 0);
    assert.deepEqual([approvals.refused[0]?.approver, approvals.refused[0]?.why], ['ada', 'step verify is not held']);
    await handle.signal('abort', { by: 'bob', why: 'enough' });
    await failureOf(handle.result());
    const { interventions } = await until(({ interventions: said }) => said.length > 0);
    assert.deepEqual(
      interventions.map(({ kind, by, why, about }) => [kind, by, why, about]),
      [['abort', 'bob', 'enough', '']],
    );
  });
});

test('a removal takes no path for the name of what it puts aside, and looks at no host', async () => {
  const { removeFromHost } = removalActivities({
    contexts: { get: () => Promise.reject(new Error('no host may be looked at')) },
    log: { warn: () => undefined },
  } as unknown as Parameters<typeof removalActivities>[0]);
  for (const stamp of ['../../../../srv/www', '20210208T120000Z/..', '', '20210208T120000Z\n']) {
    const performed = new MockActivityEnvironment().run(
      removeFromHost,
      { cluster: 'small', specDigest: '' },
      'master01',
      {
        deleteData: false,
        stamp,
      },
    );
    const { message, nonRetryable } = await refusalOf(performed);
    assert.match(message, /an argument that no workflow of ours gives: stamp/);
    assert.equal(nonRetryable, true);
  }
});

test('what a host says at any length is short in the history, whether the activity succeeds or fails', async () => {
  const long = 'x'.repeat(900_000);
  const log = pino({ level: 'silent' });
  const says = activity(log, () => Promise.resolve({ note: long, inspections: [{ problems: [long, long] }] }));
  const said = await new MockActivityEnvironment().run(says);
  assert.ok(JSON.stringify(said).length < 1_000);
  const errors = [
    new RemoteError({ host: 'node01', kind: 'exit', reason: `apply failed: ${long}`, output: long, exitCode: 1 }),
    new Error(long),
  ];
  for (const error of errors) {
    const fails = activity(log, () => Promise.reject(error));
    const { message } = await refusalOf(new MockActivityEnvironment().run(fails));
    assert.ok(message.length <= 1_100, `${message.length} characters`);
  }
});
