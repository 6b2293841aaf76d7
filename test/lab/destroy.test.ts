import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { LabRun, succeeded } from './harness.js';
import type { StepRecord } from '../../workflows/engine/dag.js';
import { booted, differences, look, type Look } from './host-snapshot.js';

/** The way back on real hosts: what a host is after a destroy is what it was before the deployment. */

const masters = ['master01', 'master02', 'master03'];
const hosts = [...masters, 'node01', 'node02', 'node03'];
/** Time that a stopping worker gives to what it does (worker.ts). */
const GRACE_SECONDS = 20;
let run: LabRun;
let file: string;
let pristine: Look;

before(async () => {
  run = await LabRun.start();
  file = await run.clusterFile(newestVersion, '--approvals', 'inventory');
  await booted(run, hosts);
  pristine = await look(run, hosts);
  succeeded(await run.startWorkflow('deploy-ha', '-f', file));
});

after(async () => {
  await run.close();
});

interface DestroyReport {
  readonly changed: number;
  readonly seconds: number;
  readonly hosts: { readonly host: string; readonly changed: number; readonly kept: string[] }[];
}

test("a destroy needs the cluster's name, and without it touches nothing", { timeout: 400_000 }, async () => {
  const unnamed = await run.startWorkflow('destroy', '-f', file);
  assert.equal(unnamed.exitCode, 2);
  assert.match(unnamed.stderr, /add --confirm lab/);
  const misnamed = await run.startWorkflow('destroy', '-f', file, '--confirm', 'lap');
  assert.equal(misnamed.exitCode, 2);
  for (const host of hosts) await run.onHost(host, 'systemctl is-active kubelet || systemctl is-active kube-apiserver');
});

test(
  'after a destroy every host is what it was, but for the data that was put aside',
  { timeout: 400_000 },
  async (t) => {
    const report = await destroy();
    t.diagnostic(`destroy took ${report.seconds.toFixed(1)} s and undid ${report.changed} things`);
    for (const { host, kept } of report.hosts) {
      assert.equal(kept.length, masters.includes(host) ? 1 : 0, host);
      for (const directory of kept) {
        assert.match(directory, /^\/var\/lib\/ha-kubernetes\/kept\/lab\/\d{8}T\d{6}Z\/etcd$/);
        await run.onHost(host, `test -s ${directory}/member/snap/db && test -d ${directory}/member/wal`);
      }
    }
    await assert.rejects(stat(join(run.directory, 'home/clusters/lab/kubeconfig')), { code: 'ENOENT' });
    assert.deepEqual(differences(pristine, await look(run, hosts)), []);
  },
);

test('a second destroy has nothing to do and says so', { timeout: 200_000 }, async () => {
  const again = await run.startWorkflow('destroy', '-f', file, '--confirm', 'lab');
  succeeded(again);
  assert.match(again.stderr, /nothing had to be changed/);
  assert.deepEqual(differences(pristine, await look(run, hosts)), []);
});

test(
  'a deployment after a destroy works, and a worker that is told to stop in it ends what it does first',
  { timeout: 400_000 },
  async (t) => {
    const before = (await run.readLog()).length;
    const atScheduler = run.untilWorkerSays(
      ({ step, state }) => step === 'kube-scheduler:master02' && state === 'running',
    );
    const deploying = run.startWorkflow('deploy-ha', '-f', file);
    await atScheduler;
    const told = Date.now();
    assert.equal(await run.stopWorker(), 0);
    const seconds = (Date.now() - told) / 1000;
    t.diagnostic(`the worker stopped ${seconds.toFixed(1)} s after it was told to`);
    assert.ok(seconds < GRACE_SECONDS + 10, `${seconds} s`);
    const log = (await run.readLog()).slice(before);
    assert.ok(
      /"host":"master02","component":"kube-scheduler","changed":\d+,"msg":"component applied"/.test(log),
      'it was given up',
    );
    await run.startWorker();
    const { exitCode, stderr } = await deploying;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /3 members/);
    // Nothing was taken for lost and done again.
    const status = await run.startWorkflow('status', '--cluster', 'lab', '--json');
    const { steps } = JSON.parse(status.stdout) as { steps: readonly StepRecord[] };
    assert.equal(steps.find(({ id }) => id === 'kube-scheduler:master02')?.attempts, 1);
  },
);

test('a destroy whose worker is killed finishes with the next one', { timeout: 400_000 }, async () => {
  const destroying = destroy('--delete-data');
  await untilRemoving();
  await run.killWorker();
  await run.startWorker();
  const report = await destroying;
  assert.deepEqual(
    report.hosts.flatMap(({ kept }) => kept),
    [],
  );
  assert.deepEqual(differences(pristine, await look(run, hosts)), []);
  for (const host of hosts) await run.onHost(host, 'test ! -e /var/lib/ha-kubernetes');
});

async function untilRemoving(): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const { stdout } = await run.startWorkflow('status', '--cluster', 'lab');
    if (/^destroy of lab/.test(stdout) && /^ +running +remove:/m.test(stdout)) return;
  }
  assert.fail('no host was being removed');
}

async function destroy(...options: string[]): Promise<DestroyReport> {
  const report = join(run.directory, 'destroy.json');
  succeeded(await run.startWorkflow('destroy', '-f', file, '--confirm', 'lab', '--json', report, ...options));
  return JSON.parse(await readFile(report, 'utf8')) as DestroyReport;
}
