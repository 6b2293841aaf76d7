import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import fc from 'fast-check';
import type { Activities } from '../../activities/index.js';
import { deploySteps, type DeployStep } from '../../cluster/operations/deploy-ha.js';
import { abortSignal, retryStepSignal, skipStepSignal } from '../../workflows/messages.js';
import { ada, mockActivities, plainStep, smallSpec, untilCancelled, planOf } from './mock-activities.js';
import { eventually, failureOf, openStage } from './stage.js';

const stage = openStage('local');

const applied = { attempts: 1, changed: 1, note: '1 changed' };
const broken = (message: string): ApplicationFailure => ApplicationFailure.nonRetryable(message, 'Test');

/** A deployment of these steps alone, each done by `apply`, which is told the step's id. */
function planned(
  steps: DeployStep[],
  apply: (id: string) => Promise<typeof applied> = () => Promise.resolve(applied),
): Partial<Activities> {
  return {
    planDeployment: () => planOf(steps),
    applyComponent: (_reference, id) => apply(id),
  };
}

test('a deployment does everything, joins its nodes, and reports what it did', async () => {
  const mock = mockActivities();
  const result = await stage().play('deployHa', mock, ({ finished }) => finished());
  assert.deepEqual(
    [result.kubernetes, result.etcd.leader, result.kubeconfig],
    ['v1.20.2', 'master01', '/state/admin.conf'],
  );
  assert.deepEqual(result.checks, [{ name: 'DNS', ok: true, detail: '' }]);
  assert.ok(
    result.steps.every(({ state, start, end }) => state === 'done' && start !== undefined && end !== undefined),
  );
  const ids = result.steps.map(({ id }) => id);
  for (const { id } of deploySteps(smallSpec)) assert.ok(ids.includes(id), id);
  assert.ok(ids.includes('approve-csr:node01'), "the node's own steps are in the report");
  // What a join changed is counted once: by its steps.
  const changed = result.steps.filter(({ id }) => !id.startsWith('join:')).reduce((sum, step) => sum + step.changed, 0);
  assert.ok(changed > 10);
  assert.equal(result.changed, changed);
});

test('a deployment that finds all as it should be reports no change', async () => {
  const found = { attempts: 1, changed: 0, note: 'nothing to change' };
  const mock = mockActivities({
    applyComponent: () => Promise.resolve(found),
    issueCertificates: () => Promise.resolve(found),
    applyManifests: () => Promise.resolve(found),
    writeKubeconfig: () => Promise.resolve(found),
    issueBootstrapToken: () => Promise.resolve(found),
    revokeBootstrapToken: () => Promise.resolve(found),
    awaitCertificateRequest: () => Promise.resolve({ state: 'member', attempts: 1 }),
  });
  const { changed, steps } = await stage().play('deployHa', mock, ({ finished }) => finished());
  assert.equal(changed, 0);
  assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'is a member already');
  assert.deepEqual(mock.callsOf('decideCertificateRequest'), []);
});

test('steps of any DAG start after all that they need', async () => {
  // Each step may need any earlier ones.
  const anyDag = fc
    .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 25 })
    .map((needs) =>
      needs.map((of, index) =>
        plainStep(`s${index}`, ...new Set(index === 0 ? [] : of.map((number) => `s${number % index}`))),
      ),
    );
  for (const steps of fc.sample(anyDag, 4)) {
    const over = new Set<string>();
    const mock = mockActivities(
      planned(steps, (id) => {
        const missing = steps.find((step) => step.id === id)?.needs.filter((need) => !over.has(need));
        assert.deepEqual(missing, [], `${id} started too early`);
        over.add(id);
        return Promise.resolve(applied);
      }),
    );
    await stage().play('deployHa', mock, ({ handle }) => handle.result());
    assert.equal(over.size, steps.length);
    assert.equal(mock.callsOf('applyComponent').length, steps.length);
  }
});

test('a step starts as soon as its own needs are done, however long another takes', async () => {
  const steps = [plainStep('slow'), plainStep('quick'), plainStep('next', 'quick')];
  const done = new Set<string>();
  const mock = mockActivities(
    planned(steps, async (id) => {
      if (id === 'slow') await eventually(() => done.has('next'), 'next is done while slow runs');
      done.add(id);
      return applied;
    }),
  );
  await stage().play('deployHa', mock, ({ handle }) => handle.result());
});

test('a step that will not go through is held while its siblings go on, and a retry finishes it', async () => {
  const steps = [plainStep('bad'), plainStep('good'), plainStep('after-good', 'good'), plainStep('after-bad', 'bad')];
  let mended = false;
  const mock = mockActivities(
    planned(steps, (id) => {
      if (id === 'bad' && !mended) throw broken('the disk is full');
      return Promise.resolve(applied);
    }),
  );
  await stage().play('deployHa', mock, async ({ handle, finished, step }) => {
    assert.equal((await step('bad', 'held')).problem, 'the disk is full');
    await step('after-good', 'done');
    await step('after-bad', 'waiting');
    mended = true;
    await handle.signal(retryStepSignal, { step: 'bad', ...ada });
    const result = await finished();
    const bad = result.steps.find(({ id }) => id === 'bad');
    assert.deepEqual([bad?.state, bad?.attempts, bad?.problem], ['done', 2, undefined]);
    assert.equal(result.steps.find(({ id }) => id === 'after-bad')?.state, 'done');
  });
});

test('a step that is retried in vain is held again, with the new reason', async () => {
  let attempt = 0;
  const mock = mockActivities(planned([plainStep('bad')], () => Promise.reject(broken(`failure ${(attempt += 1)}`))));
  await stage().play('deployHa', mock, async ({ handle, step, until }) => {
    await step('bad', 'held');
    await handle.signal(retryStepSignal, { step: 'bad', ...ada });
    await until(({ steps }) => steps[0]?.problem === 'failure 2' && steps[0].state === 'held');
  });
});

test('a skipped step lets what needs it go on', async () => {
  const mock = mockActivities(
    planned([plainStep('bad'), plainStep('after', 'bad')], (id) =>
      id === 'bad' ? Promise.reject(broken('no')) : Promise.resolve(applied),
    ),
  );
  await stage().play('deployHa', mock, async ({ handle, finished, step }) => {
    await step('bad', 'held');
    await handle.signal(skipStepSignal, { step: 'bad', ...ada });
    const { steps } = await finished();
    assert.deepEqual(
      steps.map(({ state }) => state),
      ['skipped', 'done'],
    );
  });
});

test('answers to steps that are not held, that do not exist, or that are no ids at all do nothing', async () => {
  let release = false;
  const mock = mockActivities(
    planned([plainStep('running'), plainStep('bad')], async (id) => {
      if (id === 'bad') throw broken('no');
      await eventually(() => release, 'the test lets the step go on');
      return applied;
    }),
  );
  await stage().play('deployHa', mock, async ({ handle, step }) => {
    await step('bad', 'held');
    for (const nonsense of [
      'bad',
      42,
      null,
      { step: 'bad' },
      ['bad'],
      { step: 'nothing:node01', ...ada },
      { step: 'running', ...ada },
    ]) {
      await handle.signal('skip-step', nonsense);
      await handle.signal('retry-step', nonsense);
    }
    await handle.signal('skip-step');
    release = true;
    await step('running', 'done');
    await step('bad', 'held');
    assert.equal(mock.callsOf('applyComponent').length, 2);
    await handle.signal(skipStepSignal, { step: 'bad', ...ada });
    await handle.result();
  });
});

test("a held step of a node's join is answered through the deployment, whatever the step", async () => {
  let mended = false;
  const mock = mockActivities({
    // The deployment's own certificates are made; the join's are not.
    issueCertificates: (() => {
      let made = 0;
      return () => ((made += 1) === 1 || mended ? Promise.resolve(applied) : Promise.reject(broken('no authority')));
    })(),
  });
  await stage().play('deployHa', mock, async ({ handle, child, step }) => {
    await step('certificates:node01', 'held', child('node01'));
    mended = true;
    await handle.signal(retryStepSignal, { step: 'certificates:node01', ...ada });
    await handle.result();
  });
});

test('joins go on when somebody skips what they wait for', async () => {
  const mock = mockActivities({ awaitControlPlane: () => Promise.reject(broken('forbidden')) });
  const { steps } = await stage().play('deployHa', mock, async ({ handle, finished, step, child }) => {
    await step('control-plane', 'held');
    await step('control-plane:node01', 'running', child('node01'));
    await handle.signal(skipStepSignal, { step: 'control-plane', ...ada });
    return finished();
  });
  assert.equal(steps.find(({ id }) => id === 'node-ready:node01')?.state, 'done');
});

test('an abort ends the run as Aborted, after what ran has cleaned up, in the join of a node too', async () => {
  const cleaned: string[] = [];
  const cleaningUp = async (what: string): Promise<never> => {
    try {
      return await untilCancelled();
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 300));
      cleaned.push(what);
    }
  };
  const mock = mockActivities({
    checkEtcd: () => cleaningUp('etcd'),
    applyComponent: (_reference, host) => (host === 'node01' ? cleaningUp('join') : Promise.resolve(applied)),
  });
  await stage().play('deployHa', mock, async ({ handle, child, step }) => {
    await step('etcd-health', 'running');
    await step('host:node01', 'running', child('node01'));
    await eventually(() => mock.callsOf('applyComponent').some(([, host]) => host === 'node01'), 'the join works');
    await handle.signal(abortSignal, { ...ada, why: 'wrong hosts' });
    const failure = await failureOf(handle.result());
    assert.deepEqual([failure.type, failure.message], ['Aborted', 'aborted: wrong hosts (by ada)']);
    assert.deepEqual([...new Set(cleaned)].sort(), ['etcd', 'join']);
    assert.equal((await child('node01').describe()).status.name, 'CANCELLED');
  });
});

test('an abort before there is a plan ends the run without doing anything', async () => {
  let aborted = false;
  const mock = mockActivities({
    planDeployment: async () => {
      await eventually(() => aborted, 'the run was aborted');
      return planOf(deploySteps(smallSpec));
    },
  });
  await stage().play('deployHa', mock, async ({ handle }) => {
    await handle.signal(abortSignal, { ...ada, why: 'too early' });
    aborted = true;
    assert.equal((await failureOf(handle.result())).message, 'aborted: too early (by ada)');
  });
  assert.deepEqual([...new Set(mock.calls.map(({ name }) => name))], ['planDeployment']);
});

test('an abort of a held run ends it, once it says who and why', async () => {
  const mock = mockActivities(planned([plainStep('bad')], () => Promise.reject(broken('no'))));
  await stage().play('deployHa', mock, async ({ handle, step }) => {
    await step('bad', 'held');
    await handle.signal('abort');
    await handle.signal('abort', 'wrong hosts');
    await handle.signal(abortSignal, { ...ada, why: 'wrong hosts' });
    const failure = await failureOf(handle.result());
    assert.deepEqual([failure.type, failure.message], ['Aborted', 'aborted: wrong hosts (by ada)']);
  });
});

test('hosts that are not fit end the run with every reason, before anything is changed', async () => {
  const reasons: Record<string, string[]> = { master01: ['swap is on'], node01: ['no route', 'port 6443 is taken'] };
  const mock = mockActivities({
    inspectHost: (_reference, host) => Promise.resolve({ host, problems: reasons[host] ?? [], notes: [], attempts: 1 }),
  });
  const failure = await stage().play('deployHa', mock, ({ handle }) => failureOf(handle.result()));
  const [first, ...lines] = failure.message.split('\n');
  assert.equal(first, 'nothing was changed, for 3 reason(s):');
  assert.deepEqual(lines.sort(), ['master01: swap is on', 'node01: no route', 'node01: port 6443 is taken']);
  const looking = ['planDeployment', 'inspectHost', 'fetchArtifacts'];
  assert.deepEqual(
    mock.calls.filter(({ name }) => !looking.includes(name)),
    [],
  );
});

test('the join of a node that somebody cancels or terminates is held, and a retry joins it', async () => {
  let ready = false;
  const mock = mockActivities({ awaitNodeReady: () => (ready ? Promise.resolve(applied) : untilCancelled()) });
  await stage().play('deployHa', mock, async ({ handle, finished, child, step }) => {
    const waitsFor = (times: number): Promise<void> =>
      eventually(() => mock.callsOf('awaitNodeReady').length === times, `the join waits for the node, time ${times}`);
    await waitsFor(1);
    await child('node01').cancel();
    await step('join:node01', 'held');
    await handle.signal(retryStepSignal, { step: 'join:node01', ...ada });
    await waitsFor(2);
    await child('node01').terminate('test');
    await step('join:node01', 'held');
    ready = true;
    await handle.signal(retryStepSignal, { step: 'join:node01', ...ada });
    assert.ok((await finished()).steps.every(({ state }) => state === 'done'));
  });
});

const invalid: [string, DeployStep[], RegExp][] = [
  ['a need that does not exist', [plainStep('a', 'b')], /step a needs b, which does not exist/],
  ['two steps of one id', [plainStep('a'), plainStep('a')], /there are two steps a/],
  ['a step that waits for itself', [plainStep('a', 'a')], /steps wait for each other: a$/],
  [
    'a circle',
    [plainStep('start'), plainStep('a', 'start', 'c'), plainStep('b', 'a'), plainStep('c', 'b')],
    /steps wait for each other: a, b, c$/,
  ],
];

for (const [title, steps, message] of invalid) {
  test(`a plan with ${title} is refused, and nothing is done`, async () => {
    const mock = mockActivities(planned(steps));
    const failure = await stage().play('deployHa', mock, ({ handle }) => failureOf(handle.result()));
    assert.equal(failure.type, 'InvalidDag');
    assert.match(failure.message, message);
    assert.deepEqual(mock.callsOf('applyComponent'), []);
  });
}

test('a plan without steps is done at once', async () => {
  const { steps } = await stage().play('deployHa', mockActivities(planned([])), ({ finished }) => finished());
  assert.deepEqual(steps, []);
});

test('a second change of a cluster is refused while one runs', async () => {
  const mock = mockActivities(planned([plainStep('a')], untilCancelled));
  await stage().play('deployHa', mock, async ({ handle, cluster, step }) => {
    await step('a', 'running');
    await assert.rejects(
      stage().env.client.workflow.start('failoverDrill', {
        workflowId: handle.workflowId,
        taskQueue: cluster,
        args: [],
      }),
      WorkflowExecutionAlreadyStartedError,
    );
    await handle.signal(abortSignal, { ...ada, why: 'end of the test' });
    await failureOf(handle.result());
  });
});

test("a plan of what would change names every host's changes", async () => {
  const mock = mockActivities({
    planHost: (_reference, host) =>
      Promise.resolve({
        host,
        notes: [],
        changes:
          host === 'node01' ? [{ component: 'kubelet', what: 'start kubelet.service', why: 'it is stopped' }] : [],
        attempts: 1,
      }),
  });
  const plans = await stage().play('planCluster', mock, ({ handle }) => handle.result());
  assert.deepEqual(
    plans.map(({ host, changes }) => [host, changes.length]),
    [
      ['master01', 0],
      ['node01', 1],
    ],
  );
});
