import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { parse, stringify } from 'yaml';
import { readPair } from '../../activities/certificates/inspect.js';
import { issueLeaf } from '../../activities/certificates/issue.js';
import { openStateStore } from '../../activities/state-store/file-state-store.js';
import { certificatePlan } from '../../cluster/pki.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { apiServerUrl, hostsWithRole } from '../../cluster/topology.js';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { LabRun, succeeded } from './harness.js';
import { Writer } from './writer.js';

/** Changes of a living cluster, seen by somebody who writes to it all the time. */

/** Longest time without an acknowledged write for a client that asks the other API servers. */
const GAP_MS = 2_000;

const masters = ['master01', 'master02', 'master03'];
const memberUnits = ['etcd', 'kube-apiserver'];
const nodes = ['node01', 'node02'];
let run: LabRun;
let file: string;

before(async () => {
  run = await LabRun.start();
  file = await run.clusterFile(newestVersion, '--without', 'node03', '--approvals', 'inventory');
  succeeded(await run.startWorkflow('deploy-ha', '-f', file));
});

after(() => run.close());

/** When a unit of a host last came up, in microseconds since the host started; the hosts share one clock. */
async function startedAt(host: string, unit: string): Promise<number> {
  return Number(await run.onHost(host, `systemctl show -p ActiveEnterTimestampMonotonic --value ${unit}.service`));
}

async function starts(): Promise<Map<string, number>> {
  const units = [
    ...masters.flatMap((host) => memberUnits.map((unit) => [host, unit] as const)),
    ...nodes.map((host) => [host, 'kubelet'] as const),
  ];
  return new Map(
    await Promise.all(units.map(async ([host, unit]) => [`${unit} ${host}`, await startedAt(host, unit)] as const)),
  );
}

/** Deploys while somebody writes; every member and every kubelet must have been restarted, and no write be missed. */
async function deployedUnderWrites(t: TestContext): Promise<void> {
  const validated = validateSpec(parse(await readFile(file, 'utf8')));
  if ('problems' in validated) throw new Error(JSON.stringify(validated.problems));
  const servers = hostsWithRole(validated.spec, 'control-plane').map(apiServerUrl);
  const before = await starts();
  const writer = new Writer(servers, await readFile(join(run.home, 'clusters/lab/kubeconfig'), 'utf8'));
  const began = Date.now();
  const deployed = await run.startWorkflow('deploy-ha', '-f', file);
  const seconds = (Date.now() - began) / 1000;
  const { writes, longestGapMs, lost } = await writer.end();
  succeeded(deployed);
  t.diagnostic(
    `${writes} writes in ${seconds.toFixed(0)} s, none for ${Math.round(longestGapMs)} ms at most, ${lost.length} lost`,
  );
  const now = await starts();
  const spared = [...before].filter(([unit, time]) => !unit.startsWith('kubelet') && now.get(unit) === time);
  assert.deepEqual(spared, [], 'every member was restarted');
  assert.deepEqual(lost, []);
  assert.ok(longestGapMs <= GAP_MS, `${longestGapMs} ms without an acknowledged write`);
}

test(
  'a change that touches every API server, etcd member and kubelet is planned in turns, and no writer notices it',
  { timeout: 400_000 },
  async (t) => {
    const cluster = parse(await readFile(file, 'utf8')) as Record<string, unknown> & { network: object };
    await writeFile(
      file,
      stringify({
        ...cluster,
        addressFilters: false,
        network: { ...cluster.network, nodePorts: '31000-32000' },
      }),
    );
    for (const host of nodes) await run.onHost(host, "echo 'maxPods: 90' >>/var/lib/kubelet/config.yaml");
    const { stdout } = await run.startWorkflow('plan', '-f', file);
    const turns = /restarted one at a time, each while all other members are well: (.*)/.exec(stdout)?.[1] ?? '';
    for (const host of masters) {
      for (const unit of memberUnits) assert.ok(turns.includes(`${unit}.service on ${host}`), stdout);
    }
    const kubelets = await Promise.all(nodes.map((host) => startedAt(host, 'kubelet')));
    await deployedUnderWrites(t);
    const later = await Promise.all(nodes.map((host) => startedAt(host, 'kubelet')));
    assert.ok(
      later.every((time, index) => time > (kubelets[index] ?? 0)),
      'every kubelet was restarted',
    );
  },
);

test(
  'certificates that expire soon are planned, renewed and rolled out, and no writer notices it',
  {
    timeout: 400_000,
  },
  async (t) => {
    const validated = validateSpec(parse(await readFile(file, 'utf8')));
    if ('problems' in validated) throw new Error(JSON.stringify(validated.problems));
    const { pki: store } = await (await openStateStore({ HA_KUBERNETES_HOME: run.home })).cluster('lab');
    for (const plan of certificatePlan(validated.spec).certificates) {
      const [signer, newest] = [await store.newest(plan.authority), await store.newest(plan.name)];
      const pair = readPair(signer?.text ?? '');
      assert.ok(pair !== undefined && newest !== undefined, plan.name);
      const { certificate, privateKey } = await issueLeaf({ ...plan, validityDays: 20 }, pair, new Date());
      assert.ok(await store.add(plan.name, { generation: newest.generation + 1, text: `${certificate}${privateKey}` }));
    }
    const { stdout } = await run.startWorkflow('plan', '-f', file);
    for (const host of masters) {
      assert.match(stdout, new RegExp(`certificate etcd-server/${host} is issued again: expires 20`));
      assert.ok(stdout.includes(`etcd.service on ${host}`), stdout);
    }
    await deployedUnderWrites(t);
    assert.doesNotMatch((await run.startWorkflow('plan', '-f', file)).stdout, /issued again|restarted/);
  },
);
