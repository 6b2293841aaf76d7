import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { LabRun, succeeded } from './harness.js';

/** Three masters that are the cluster's only nodes: they dial pods by themselves, and take no other pods unless told to. */

const masters = ['master01', 'master02', 'master03'];
let run: LabRun;
let file: string;

interface ClusterFile {
  controlPlane?: { schedulable: boolean };
  hosts: { name: string; roles: string[] }[];
}

before(async () => {
  run = await LabRun.start();
  file = await run.clusterFile(
    newestVersion,
    ...['--approvals', 'inventory'],
    ...['--without', 'node01', 'node02', 'node03'],
  );
  await change((cluster) => {
    for (const host of cluster.hosts) host.roles.push('node');
  });
});

after(() => run.close());

async function change(edit: (cluster: ClusterFile) => void): Promise<void> {
  const cluster = parse(await readFile(file, 'utf8')) as ClusterFile;
  edit(cluster);
  await writeFile(file, stringify(cluster));
}

test('masters that are nodes join, and every API server reaches pods by itself', { timeout: 400_000 }, async () => {
  const report = join(run.directory, 'deploy.json');
  succeeded(await run.startWorkflow('deploy-ha', '-f', file, '--json', report));
  const { checks, nodes } = JSON.parse(await readFile(report, 'utf8')) as {
    checks: { name: string; ok: boolean }[];
    nodes: { name: string; ready: boolean }[];
  };
  assert.ok(checks.every(({ ok }) => ok));
  for (const master of masters) {
    assert.ok(checks.some(({ name }) => name.endsWith(`through the API server of ${master}`)));
    assert.equal(await run.onHost(master, "systemctl list-unit-files --no-legend 'konnectivity*' || true"), '');
  }
  assert.deepEqual(
    nodes.map(({ name, ready }) => [name, ready]),
    masters.map((name) => [name, true]),
  );
});

test('they are labelled and tainted as the field does, and a pod that tolerates nothing waits', async () => {
  const seen = await run.asOperator(
    'master01',
    `kubectl get nodes -l node-role.kubernetes.io/control-plane= -o jsonpath='{range .items[*]}{.metadata.name} {.spec.taints[*].key}:{.spec.taints[*].effect}{"\\n"}{end}'`,
  );
  assert.deepEqual(
    seen.trim().split('\n'),
    masters.map((name) => `${name} node-role.kubernetes.io/control-plane:NoSchedule`),
  );
  await run.asOperator(
    'master02',
    'kubectl -n default run waits --image=registry.k8s.io/pause:3.10.2 --image-pull-policy=IfNotPresent',
  );
  await delay(5_000);
  assert.equal(await phase(), 'Pending');
});

test('controlPlane.schedulable lets every pod on', { timeout: 200_000 }, async () => {
  await change((cluster) => {
    cluster.controlPlane = { schedulable: true };
  });
  succeeded(await run.startWorkflow('deploy-ha', '-f', file));
  const deadline = Date.now() + 60_000;
  while ((await phase()) !== 'Running') {
    assert.ok(Date.now() < deadline, 'the pod runs now');
    await delay(1_000);
  }
});

test('a drill sees the other API servers reach pods while one master has no power', { timeout: 400_000 }, async () => {
  const report = join(run.directory, 'drill.json');
  succeeded(await run.startWorkflow('failover-drill', '-f', file, '--json', report));
  const drill = JSON.parse(await readFile(report, 'utf8')) as { victim: string; after: Record<string, string> };
  assert.ok(Object.values(drill.after).every((holder) => masters.includes(holder) && holder !== drill.victim));
});

function phase(): Promise<string> {
  return run.asOperator('master01', "kubectl -n default get pod waits -o jsonpath='{.status.phase}'");
}
