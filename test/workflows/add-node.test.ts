import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/index.js';
import type { CertificateRequest } from '../../cluster/certificate-request.js';
import type { Decision } from '../../workflows/engine/approvals.js';
import { approveCsrSignal, decideCsrUpdate, retryStepSignal, skipStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, requestOf } from './mock-activities.js';
import { failureOf, openStage, type Play } from './stage.js';

const stage = openStage('local');

const node01 = { host: 'node01' };
const request = requestOf('node01');
const approval: Decision = { node: 'node01', csrSha256: request.csrSha256, decision: 'approve', approver: 'ada' };
const denial: Decision = { ...approval, decision: 'deny', reason: 'not ours' };

/** Activities of a cluster in which a person decides; each time that the node asks, it is with another key. */
function askingPeople(overrides: Partial<Activities> = {}): ReturnType<typeof mockActivities> {
  let attempt = 0;
  return mockActivities({
    awaitCertificateRequest: (_reference, node) =>
      Promise.resolve({ state: 'asks', request: requestOf(node, (attempt += 1)), byInventory: false, attempts: 1 }),
    ...overrides,
  });
}

/** Waits until a person is asked about node01. */
async function asked({ until }: Pick<Play<'addNode'>, 'until'>, of?: WorkflowHandle): Promise<void> {
  await until(({ approvals }) => approvals.pending.some(({ node }) => node === 'node01'), of);
}

/** Answers the first request of node01 as a person does. */
async function approveOnceAsked(play: Play<'addNode'>): Promise<void> {
  await asked(play);
  await play.handle.signal(approveCsrSignal, approval);
}

test('a node joins once a person approves its request by signal', async () => {
  const mock = askingPeople();
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await asked(play);
      assert.deepEqual((await play.status()).approvals.pending, [request]);
      assert.deepEqual(mock.callsOf('decideCertificateRequest'), [], 'nothing is decided before the person has');
      await play.handle.signal(approveCsrSignal, approval);
      const { steps } = await play.finished();
      assert.ok(steps.every(({ state }) => state === 'done'));
      assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'approved by ada');
    },
    node01,
  );
  const [[, of, decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.deepEqual(of, request);
  const { at, ...rest } = decided as Decision & { at: string };
  assert.deepEqual(rest, approval);
  assert.match(at, /^\d{4}-/);
});

test('an approval that is sent to the deployment reaches the join of the node', async () => {
  await stage().play('deployHa', askingPeople(), async ({ handle, finished, child, until }) => {
    await asked({ until }, child('node01'));
    await handle.signal(approveCsrSignal, approval);
    const { steps } = await finished();
    assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'approved by ada');
  });
});

test('an approval that is sent to the join itself counts as well', async () => {
  await stage().play('deployHa', askingPeople(), async ({ handle, child, until }) => {
    await asked({ until }, child('node01'));
    await child('node01').signal(approveCsrSignal, approval);
    await handle.result();
  });
});

test('an update answers whether a decision was accepted, and why not', async () => {
  await stage().play(
    'addNode',
    askingPeople(),
    async (play) => {
      const decide = (decision: unknown): Promise<unknown> =>
        play.handle.executeUpdate(decideCsrUpdate, { args: [decision as Decision] });
      await asked(play);
      assert.deepEqual(await decide({ ...approval, csrSha256: 'f'.repeat(64) }), {
        accepted: false,
        why: `the request of node01 is ${request.csrSha256}, not ${'f'.repeat(64)}; look at it again`,
      });
      assert.deepEqual(await decide({ ...approval, node: 'node09' }), {
        accepted: false,
        why: 'node09 has no request waiting; waiting: node01',
      });
      assert.match(JSON.stringify(await decide('yes')), /not a decision/);
      assert.deepEqual(await decide(approval), { accepted: true });
      await play.handle.result();
    },
    node01,
  );
});

test('whatever else is sent is refused and recorded, and the join goes on', async () => {
  await stage().play(
    'addNode',
    askingPeople(),
    async (play) => {
      await asked(play);
      const nonsense = [
        { ...approval, csrSha256: 'f'.repeat(64) },
        { ...approval, node: 'node09' },
        { ...approval, approver: '' },
        { ...approval, decision: 'maybe' },
        'approve',
        42,
        null,
        [],
      ];
      for (const message of nonsense) await play.handle.signal('approve-csr', message);
      await play.handle.signal('approve-csr');
      const { approvals } = await play.until(({ approvals: { refused } }) => refused.length === nonsense.length + 1);
      assert.deepEqual(approvals.pending, [request]);
      assert.ok(approvals.refused.every(({ why, at }) => why !== '' && at !== ''));
      assert.deepEqual(approvals.refused[1]?.node, 'node09');
      await play.handle.signal(approveCsrSignal, approval);
      await play.handle.result();
    },
    node01,
  );
});

test('the first decision counts: the same once more changes nothing, a contrary one is refused', async () => {
  let release = (): void => undefined;
  const mock = askingPeople({
    // Holds the join open so that there is a run to tell something.
    awaitNodeReady: () =>
      new Promise((resolve) => {
        release = () => resolve({ changed: 0, note: 'Ready', attempts: 1 });
      }),
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await approveOnceAsked(play);
      await play.handle.signal(approveCsrSignal, approval);
      await play.handle.signal(approveCsrSignal, { ...denial, approver: 'bob' });
      await play.step('node-ready:node01', 'running');
      const { approvals } = await play.until(({ approvals: { refused } }) => refused.length > 0);
      assert.deepEqual(
        approvals.decided.map(({ decision, approver }) => [decision, approver]),
        [['approve', 'ada']],
      );
      assert.deepEqual(
        approvals.refused.map(({ approver, why }) => [approver, why]),
        [['bob', 'ada has already decided to approve this request']],
      );
      release();
      await play.finished();
    },
    node01,
  );
  assert.equal(mock.callsOf('decideCertificateRequest').length, 1);
});

test('a decision that comes before the request is refused: nobody has seen yet what it would approve', async () => {
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const mock = askingPeople({
    awaitCertificateRequest: async () => {
      await arrived;
      return { state: 'asks', request, byInventory: false, attempts: 1 };
    },
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await play.step('approve-csr:node01', 'running');
      await play.handle.signal(approveCsrSignal, approval);
      const { approvals } = await play.until(({ approvals: { refused } }) => refused.length > 0);
      assert.equal(approvals.refused[0]?.why, 'node01 has no request waiting; waiting: none');
      arrive();
      await approveOnceAsked(play);
      await play.handle.result();
    },
    node01,
  );
});

test('a decision about a node whose join is over is refused by the deployment, and recorded', async () => {
  let finish = (): void => undefined;
  const mock = askingPeople({
    verifyCluster: () =>
      new Promise((resolve) => {
        finish = () => resolve({ changed: 0, note: '', checks: [], attempts: 1 });
      }),
  });
  await stage().play('deployHa', mock, async (play) => {
    await asked(play, play.child('node01'));
    await play.handle.signal(approveCsrSignal, approval);
    await play.step('verify', 'running');
    await play.handle.signal(approveCsrSignal, denial);
    const { approvals } = await play.until(({ approvals: { refused } }) => refused.length > 0);
    assert.equal(approvals.refused[0]?.why, 'node01 has no request waiting; waiting: none');
    finish();
    await play.finished();
  });
});

test('a denial denies the request in the cluster, takes the token back, and ends the join with who and why', async () => {
  const mock = askingPeople();
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await asked(play);
      await play.handle.signal(approveCsrSignal, denial);
      const failure = await failureOf(play.handle.result());
      assert.equal(failure.message, 'ada denied the request of node01: not ours');
      assert.deepEqual(failure.details, ['CsrDenied']);
    },
    node01,
  );
  const [[, of, decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.deepEqual(of, request);
  assert.equal((decided as Decision).decision, 'deny');
  assert.equal(mock.callsOf('revokeBootstrapToken').length, 1);
  assert.deepEqual(mock.callsOf('awaitNodeReady'), []);
});

test('a denied node is held in the deployment; a retry asks again about a new request, and joins it', async () => {
  const mock = askingPeople();
  await stage().play('deployHa', mock, async (play) => {
    await asked(play, play.child('node01'));
    await play.handle.signal(approveCsrSignal, denial);
    const held = await play.step('join:node01', 'held');
    assert.equal(held.problem, 'ada denied the request of node01: not ours');
    await play.handle.signal(retryStepSignal, { step: 'join:node01', ...ada });
    await play.until(
      ({ approvals }) => approvals.pending[0]?.csrSha256 === requestOf('node01', 2).csrSha256,
      play.child('node01'),
    );
    // The denial was about another key, and so is an approval of that one.
    await play.handle.signal(approveCsrSignal, approval);
    await play.until(({ approvals }) => approvals.refused.length > 0, play.child('node01'));
    await play.handle.signal(approveCsrSignal, { ...approval, csrSha256: requestOf('node01', 2).csrSha256 });
    const { steps } = await play.finished();
    assert.equal(steps.find(({ id }) => id === 'join:node01')?.state, 'done');
  });
  assert.equal(mock.callsOf('issueBootstrapToken').length, 2);
});

test('a deployment goes on without a denied node when somebody says so', async () => {
  await stage().play('deployHa', askingPeople(), async (play) => {
    await asked(play, play.child('node01'));
    await play.handle.signal(approveCsrSignal, denial);
    await play.step('join:node01', 'held');
    await play.handle.signal(skipStepSignal, { step: 'join:node01', ...ada });
    const { steps } = await play.finished();
    assert.equal(steps.find(({ id }) => id === 'join:node01')?.state, 'skipped');
    assert.equal(steps.find(({ id }) => id === 'verify')?.state, 'done');
  });
});

test('by inventory nobody is asked, and the record says that a rule approved', async () => {
  const mock = mockActivities();
  const { steps } = await stage().play('addNode', mock, ({ finished }) => finished(), node01);
  assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'approved by inventory');
  const [[, , decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.match((decided as Decision).reason ?? '', /exact match with the spec/);
});

/** Instead of an approved certificate, another request arrives; then the certificate does. */
function restartedOnce(again: CertificateRequest): Activities['awaitCertificate'] {
  let restarts = 1;
  return () =>
    Promise.resolve(
      restarts-- > 0
        ? { state: 'asks', request: again, byInventory: false, attempts: 1 }
        : { state: 'member', attempts: 1 },
    );
}

test('a kubelet that lost its key before it had its certificate is let in by the same gate', async () => {
  const again = requestOf('node01', 2);
  const mock = askingPeople({
    awaitCertificate: restartedOnce(again),
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await approveOnceAsked(play);
      await play.until(({ approvals }) => approvals.pending.some(({ csrSha256 }) => csrSha256 === again.csrSha256));
      await play.handle.signal(approveCsrSignal, { ...approval, csrSha256: again.csrSha256 });
      await play.handle.result();
    },
    node01,
  );
  assert.deepEqual(
    mock.callsOf('decideCertificateRequest').map(([, decided]) => (decided as typeof again).csrSha256),
    [request.csrSha256, again.csrSha256],
  );
});

test('a node that is a member already is asked nothing and loses nothing', async () => {
  const mock = mockActivities({
    awaitCertificateRequest: () => Promise.resolve({ state: 'member', attempts: 1 }),
  });
  const { steps } = await stage().play('addNode', mock, ({ finished }) => finished(), node01);
  assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'is a member already');
  assert.deepEqual(mock.callsOf('decideCertificateRequest'), []);
});

test('an approval that the cluster does not take is held, and a retry does not ask the person again', async () => {
  let down = true;
  const mock = askingPeople({
    awaitCertificateRequest: () => Promise.resolve({ state: 'asks', request, byInventory: false, attempts: 1 }),
    decideCertificateRequest: () =>
      down
        ? Promise.reject(ApplicationFailure.nonRetryable('the request is gone'))
        : Promise.resolve({ changed: 1, attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await approveOnceAsked(play);
      assert.equal((await play.step('approve-csr:node01', 'held')).problem, 'the request is gone');
      down = false;
      await play.handle.signal(retryStepSignal, { step: 'approve-csr:node01', ...ada });
      await play.finished();
    },
    node01,
  );
});

const servingRequest = {
  ...requestOf('node01', 7),
  name: 'csr-serving',
  signer: 'kubernetes.io/kubelet-serving',
  requester: 'system:node:node01',
  names: ['node01', '172.16.0.104'],
};
const asksToServe: Partial<Activities> = {
  awaitServingRequest: () =>
    Promise.resolve({ state: 'asks', request: servingRequest, byInventory: false, attempts: 1 }),
};

test('who approved a node is not asked again about its serving certificate', async () => {
  const mock = askingPeople(asksToServe);
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await approveOnceAsked(play);
      const { steps } = await play.finished();
      assert.equal(steps.find(({ id }) => id === 'approve-serving:node01')?.note, 'approved by ha-kubernetes');
    },
    node01,
  );
  const [, [, of, decided] = []] = mock.callsOf('decideCertificateRequest');
  assert.deepEqual(of, servingRequest);
  assert.match((decided as Decision | undefined)?.reason ?? '', /asked by the node that ada approved/);
});

test('a kubelet that lost its serving key before it had its certificate is let in without another question', async () => {
  const again = { ...servingRequest, name: 'csr-serving-again', csrSha256: 'c'.repeat(64) };
  const mock = askingPeople({
    ...asksToServe,
    awaitServingCertificate: restartedOnce(again),
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await approveOnceAsked(play);
      await play.handle.result();
    },
    node01,
  );
  assert.deepEqual(
    mock.callsOf('decideCertificateRequest').map(([, of]) => (of as typeof again).name),
    [request.name, servingRequest.name, again.name],
  );
});

test('a member that renews its serving certificate is asked about like any other request', async () => {
  const mock = askingPeople({
    ...asksToServe,
    awaitCertificateRequest: () => Promise.resolve({ state: 'member', attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async (play) => {
      await asked(play);
      assert.deepEqual((await play.status()).approvals.pending, [servingRequest]);
      await play.handle.signal(approveCsrSignal, { ...approval, csrSha256: servingRequest.csrSha256 });
      const { steps } = await play.finished();
      assert.equal(steps.find(({ id }) => id === 'approve-serving:node01')?.note, 'approved by ada');
    },
    node01,
  );
});

test('a token that somebody else uses ends the join, with the token taken back and who did what', async () => {
  const why = 'the bootstrap token of node01 is abused: it was used for 2 keys';
  const mock = mockActivities({
    awaitCertificateRequest: () => Promise.resolve({ state: 'token-abused', why, attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ handle }) => {
      const failure = await failureOf(handle.result());
      assert.deepEqual([failure.message, failure.details], [why, ['TokenAbused']]);
    },
    node01,
  );
  assert.equal(mock.callsOf('revokeBootstrapToken').length, 1);
  assert.deepEqual(mock.callsOf('decideCertificateRequest'), []);
});

test('a certificate that is not what was approved ends the join loudly, with the node kept out', async () => {
  const mock = mockActivities({
    checkIssuedCertificate: () => Promise.resolve({ differences: ['names kubernetes, approved: none'], attempts: 1 }),
  });
  await stage().play(
    'addNode',
    mock,
    async ({ handle }) => {
      const failure = await failureOf(handle.result());
      assert.match(
        failure.message,
        /^the certificate of node01 is not what was approved: names kubernetes, approved: none/,
      );
      assert.deepEqual(failure.details, ['CertificateDiffers']);
    },
    node01,
  );
  assert.deepEqual(mock.callsOf('keepNodeOut')[0]?.[1], request);
  assert.deepEqual(mock.callsOf('awaitNodeReady'), []);
});
