import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.js';
import { StatusReader } from '../../client/run-status.js';
import type { Decision } from '../../workflows/engine/approvals.js';
import { abortSignal, approveCsrSignal, decideCsrUpdate, skipStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, requestOf, untilCancelled, type Mock } from './mock-activities.js';
import { eventually, openStage } from './stage.js';

const stage = openStage('local');

const request = requestOf('node01');
const approval: Decision = { node: 'node01', csrSha256: request.csrSha256, decision: 'approve', approver: 'ada' };

/** Activities of a cluster in which a person decides. */
function askingPeople(overrides: Partial<Activities> = {}): Mock {
  return mockActivities({
    awaitCertificateRequest: (_reference, node) =>
      Promise.resolve({ state: 'asks', request: requestOf(node), byInventory: false, attempts: 1 }),
    ...overrides,
  });
}

interface Ending {
  readonly title: string;
  readonly end: (handle: WorkflowHandle) => Promise<unknown>;
  readonly ended: (error: WorkflowFailedError) => void;
}

/** A person's abort, and Temporal's own cancel (`temporal workflow cancel`, the button in its UI). */
const endings: Ending[] = [
  {
    title: 'an abort',
    end: (handle) => handle.signal(abortSignal, { ...ada, why: 'wrong hosts' }),
    ended: ({ cause }) => assert.equal(cause?.message, 'aborted: wrong hosts (by ada)'),
  },
  {
    title: "Temporal's own cancel",
    end: (handle) => handle.cancel(),
    ended: ({ cause }) => assert.ok(cause instanceof CancelledFailure, String(cause)),
  },
];

async function failureOf(handle: WorkflowHandle): Promise<WorkflowFailedError> {
  const error: unknown = await handle.result().then(
    () => assert.fail('the workflow did not fail'),
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof WorkflowFailedError, String(error));
  return error;
}

/** The denial and the revocation that an ended join leaves behind. */
function assertNothingIsOpen(mock: Mock): void {
  const [[, of, decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.deepEqual(of, request);
  assert.equal((decided as Decision).decision, 'deny');
  assert.equal(mock.callsOf('decideCertificateRequest').length, 1);
  assert.equal(mock.callsOf('revokeBootstrapToken').length, 1);
}

for (const { title, end, ended } of endings) {
  test(`${title} while a join waits for a person denies the request and takes the token back`, async () => {
    const mock = askingPeople();
    await stage().play(
      'addNode',
      mock,
      async ({ handle, until, status }) => {
        await until(({ approvals }) => approvals.pending.length > 0);
        await end(handle);
        ended(await failureOf(handle));
        assert.deepEqual((await status()).approvals.pending, []);
      },
      { host: 'node01' },
    );
    assertNothingIsOpen(mock);
  });

  test(`${title} of a deployment reaches the join that waits for a person, and waits for its clean-up`, async () => {
    const mock = askingPeople();
    await stage().play('deployHa', mock, async ({ handle, child, until, cluster }) => {
      await until(({ approvals }) => approvals.pending.length > 0, child('node01'));
      await end(handle);
      ended(await failureOf(handle));
      assertNothingIsOpen(mock);
      assert.equal((await child('node01').describe()).status.name, 'CANCELLED');
      const { steps, approvals } = await new StatusReader(stage().env.client, cluster).read();
      assert.equal(
        steps.find(({ id }) => id === 'kubelet:node01')?.state,
        'done',
        "the join's steps stay in the status",
      );
      assert.deepEqual(approvals.pending, []);
    });
  });

  test(`${title} before a token was given touches nothing`, async () => {
    const mock = askingPeople({ issueCertificates: untilCancelled });
    await stage().play(
      'addNode',
      mock,
      async ({ handle }) => {
        await eventually(() => mock.callsOf('issueCertificates').length > 0, 'certificates are made');
        await end(handle);
        ended(await failureOf(handle));
      },
      { host: 'node01' },
    );
    assert.deepEqual([mock.callsOf('revokeBootstrapToken'), mock.callsOf('decideCertificateRequest')], [[], []]);
  });

  test(`${title} while steps run ends each, and waits for it`, async () => {
    const cleaned: string[] = [];
    const mock = askingPeople({
      applyComponent: async (_reference, host, component) => {
        try {
          return await untilCancelled();
        } finally {
          await new Promise((resolve) => setTimeout(resolve, 200));
          cleaned.push(`${component}:${host}`);
        }
      },
    });
    await stage().play('deployHa', mock, async ({ handle }) => {
      await eventually(() => mock.callsOf('applyComponent').length >= 2, 'steps run');
      await end(handle);
      ended(await failureOf(handle));
      assert.equal(cleaned.length, mock.callsOf('applyComponent').length);
    });
  });

  test(`${title} of a held run ends it`, async () => {
    const mock = mockActivities({ checkEtcd: () => Promise.reject(ApplicationFailure.nonRetryable('no leader')) });
    await stage().play('deployHa', mock, async ({ handle, step }) => {
      await step('etcd-health', 'held');
      await end(handle);
      ended(await failureOf(handle));
    });
  });
}

test('a token that cannot be taken back does not keep an aborted run from its end', async () => {
  const mock = askingPeople({
    revokeBootstrapToken: () => Promise.reject(ApplicationFailure.nonRetryable('no route to host')),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ handle, until }) => {
      await until(({ approvals }) => approvals.pending.length > 0);
      await handle.signal(abortSignal, { ...ada, why: 'enough' });
      assert.equal((await failureOf(handle)).cause?.message, 'aborted: enough (by ada)');
    },
    { host: 'node01' },
  );
});

test('the steps of a join that failed stay in the status of its deployment, and nothing of it waits', async () => {
  const mock = askingPeople();
  await stage().play('deployHa', mock, async ({ handle, finished, child, until, step, cluster }) => {
    await until(({ approvals }) => approvals.pending.length > 0, child('node01'));
    await handle.signal(approveCsrSignal, { ...approval, decision: 'deny' });
    await step('join:node01', 'held');
    const { steps, approvals } = await new StatusReader(stage().env.client, cluster).read();
    assert.equal(steps.find(({ id }) => id === 'kubelet:node01')?.state, 'done');
    assert.deepEqual(
      steps.filter(({ state }) => state === 'held').map(({ id }) => id),
      ['join:node01'],
    );
    assert.deepEqual(approvals.pending, []);
    await handle.signal(skipStepSignal, { step: 'join:node01', ...ada });
    await finished();
  });
});

test('an update that is sent to the deployment is answered by the join that it is about', async () => {
  await stage().play('deployHa', askingPeople(), async ({ handle, child, until }) => {
    const decide = (decision: Decision): Promise<unknown> =>
      handle.executeUpdate(decideCsrUpdate, { args: [decision] });
    await until(({ approvals }) => approvals.pending.length > 0, child('node01'));
    assert.match(JSON.stringify(await decide({ ...approval, csrSha256: 'f'.repeat(64) })), /look at it again/);
    assert.match(JSON.stringify(await decide({ ...approval, node: 'node09' })), /has no request waiting/);
    assert.deepEqual(await decide(approval), { accepted: true });
    await handle.result();
  });
});
