import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { mockActivities, requestOf } from '../workflows/mock-activities.js';
import { openStage, type Play } from '../workflows/stage.js';

const stage = openStage('local');
const program = join(fileURLToPath(new URL('../../..', import.meta.url)), 'dist/client/approve-csr.js');
const { csrSha256, keySha256 } = requestOf('node01');

interface Ended {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A join that waits for a person, and approve-csr as a person runs it, without a terminal. */
async function waiting(
  body: (play: Play<'addNode'>, run: (...args: string[]) => Promise<Ended>) => Promise<void>,
): Promise<void> {
  const mock = mockActivities({
    awaitCertificateRequest: (_reference, node) =>
      Promise.resolve({ state: 'asks', request: requestOf(node), byInventory: false, attempts: 1 }),
  });
  const joined = async (play: Play<'addNode'>): Promise<void> => {
    await play.until(({ approvals }) => approvals.pending.length > 0);
    await body(play, async (...args) => {
      const { exitCode, stdout, stderr } = await execa('node', [program, ...args, '--cluster', play.cluster], {
        env: { TEMPORAL_ADDRESS: stage().env.address },
        stdin: 'ignore',
        reject: false,
      });
      return { exitCode, stdout, stderr };
    });
  };
  await stage().play('addNode', mock, joined, { host: 'node01' });
}

test('show tells the fingerprint of the key, and all else that is decided about', async () => {
  await waiting(async ({ handle }, run) => {
    const { stdout } = await run('show', 'node01');
    for (const shown of [csrSha256, keySha256, 'system:bootstrap:ab12cd', 'the key that waits on node01 is this one']) {
      assert.ok(stdout.includes(shown), shown);
    }
    assert.deepEqual(JSON.parse((await run('show', 'node01', '--json')).stdout), requestOf('node01'));
    await handle.terminate();
  });
});

test('approve says "approved" only when the run has taken the decision', async () => {
  await waiting(async ({ finished, until }, run) => {
    const other = await run('approve', 'node01', 'f'.repeat(12));
    assert.deepEqual([other.exitCode, other.stdout], [2, '']);
    assert.match(other.stderr, /^error: the request of node01 is a+1, not f{12}; look at it again/);
    const rule = await run('approve', 'node01', csrSha256.slice(0, 12), '--approver', 'inventory');
    assert.deepEqual([rule.exitCode, rule.stdout], [2, '']);
    assert.match(rule.stderr, /^error: nothing was decided: "inventory" is what a rule is called/);
    assert.equal((await until(() => true)).approvals.decided.length, 0);
    const right = await run(
      'approve',
      'node01',
      csrSha256.slice(0, 12),
      '--approver',
      'ada',
      '--reason',
      'racked today',
    );
    assert.deepEqual([right.exitCode, right.stdout], [0, `approved node01 (${csrSha256.slice(0, 12)}) as ada`]);
    const { steps } = await finished();
    assert.equal(steps.find(({ id }) => id === 'approve-csr:node01')?.note, 'approved by ada');
  });
});

test('a node that asks for nothing cannot be approved', async () => {
  await waiting(async ({ handle }, run) => {
    const { exitCode, stderr } = await run('approve', 'node02', csrSha256);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^error: node02 has no request waiting; waiting: node01$/);
    await handle.terminate();
  });
});
