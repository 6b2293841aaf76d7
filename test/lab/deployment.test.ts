import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { LabRun, type Outcome } from './harness.js';

/** One full story on real hosts: deploy, again, join, drill, and what must be refused. The tests build on each other. */

const masters = ['master01', 'master02', 'master03'];
const nodes = ['node01', 'node02'];
let run: LabRun;

before(async () => {
  run = await LabRun.start();
});

after(async () => {
  await run.close();
});

interface DeployReport {
  readonly kubernetes: string;
  readonly seconds: number;
  readonly changed: number;
  readonly nodes: { name: string; ready: boolean; version: string }[];
  readonly etcd: { members: number; leader: string };
  readonly leases: Record<string, string>;
  readonly checks: { name: string; ok: boolean }[];
  readonly steps: { id: string; title: string; state: string; attempts: number; note?: string }[];
  readonly kubeconfig: string;
}

test(
  'deploy-ha builds three masters and two nodes, each node approved by a person',
  { timeout: 400_000 },
  async (t) => {
    const file = await run.clusterFile('--without', 'node03');
    const [deployed, ...approvals] = await Promise.all([
      deploy(file),
      ...nodes.map((node) =>
        run.approveCsr('approve', node, '--cluster', 'lab', '--approver', 'alice', '--wait', '300'),
      ),
    ]);
    succeeded(deployed);
    approvals.forEach(succeeded);
    const report = await readReport();
    t.diagnostic(
      `deploy-ha took ${report.seconds.toFixed(1)} s, worker peak ${(await run.workerPeakMiB()).toFixed(0)} MiB`,
    );
    assert.deepEqual(
      report.nodes,
      nodes.map((name) => ({ name, ready: true, version: 'v1.20.2' })),
    );
    assert.equal(report.etcd.members, 3);
    assert.ok(masters.includes(report.etcd.leader));
    assert.ok(Object.values(report.leases).every((holder) => masters.includes(holder)));
    assert.ok(report.checks.length >= 7 && report.checks.every(({ ok }) => ok), JSON.stringify(report.checks));
    for (const node of nodes) {
      assert.match(report.steps.find(({ id }) => id === `approve-csr:${node}`)?.note ?? '', /approved by alice/);
    }
    assert.equal((await stat(report.kubeconfig)).mode & 0o777, 0o600);
  },
);

test('a second deploy-ha changes nothing on any host and says so', { timeout: 200_000 }, async () => {
  const earlier = await snapshots();
  const again = await deploy(join(run.directory, 'cluster.yaml'));
  succeeded(again);
  assert.match(again.stderr, /nothing had to be changed/);
  const report = await readReport();
  assert.equal(report.changed, 0);
  assert.deepEqual(await snapshots(), earlier);
});

test('after a deployment the plan is empty, and shows exactly what somebody edits', { timeout: 200_000 }, async () => {
  const plan = async (): Promise<string[]> => {
    const planned = await run.startWorkflow('plan', '-f', join(run.directory, 'cluster.yaml'), '--json');
    succeeded(planned);
    return (JSON.parse(planned.stdout) as { host: string; changes: { what: string; why: string }[] }[]).flatMap(
      ({ host, changes }) => changes.map(({ what, why }) => `${host} ${what}: ${why}`),
    );
  };
  assert.deepEqual(await plan(), []);
  await run.onHost('node01', 'chmod 0644 /var/lib/kube-proxy/config.yaml');
  assert.deepEqual(await plan(), [
    'node01 /var/lib/kube-proxy/config.yaml: mode 0644, wanted 0600',
    'node01 kube-proxy.service: reads /var/lib/kube-proxy/config.yaml, which changes',
  ]);
  await run.onHost('node01', 'chmod 0600 /var/lib/kube-proxy/config.yaml');
});

test('node03 joins the running cluster by itself', { timeout: 200_000 }, async () => {
  const file = await run.clusterFile();
  const [added, approved] = await Promise.all([
    run.startWorkflow('add-node', 'node03', '-f', file),
    run.approveCsr('approve', 'node03', '--cluster', 'lab', '--wait', '150'),
  ]);
  succeeded(added);
  succeeded(approved);
  const ready = await run.onHost('master01', 'kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --no-headers');
  assert.equal(ready.split('\n').filter((line) => /^node0[123] +Ready /.test(line)).length, 3, ready);
});

test('no bootstrap token outlives its join', async () => {
  const secrets = await run.onHost(
    'master01',
    'kubectl --kubeconfig /etc/kubernetes/admin.conf get secrets -n kube-system -o name',
  );
  assert.doesNotMatch(secrets, /bootstrap-token/);
});

test(
  'a drill powers the lease holder off, sees its leases move, and brings it back',
  { timeout: 400_000 },
  async (t) => {
    const file = join(run.directory, 'cluster.yaml');
    const report = join(run.directory, 'drill.json');
    succeeded(await run.startWorkflow('failover-drill', '-f', file, '--json', report));
    const drill = JSON.parse(await readFile(report, 'utf8')) as {
      victim: string;
      before: Record<string, string>;
      after: Record<string, string>;
      leaseMoveSeconds: number;
      nodesNotReady: string[];
    };
    t.diagnostic(`the leases of ${drill.victim} moved after ${drill.leaseMoveSeconds.toFixed(1)} s`);
    assert.equal(drill.before['kube-controller-manager'], drill.victim);
    assert.ok(Object.values(drill.after).every((holder) => masters.includes(holder) && holder !== drill.victim));
    assert.deepEqual(drill.nodesNotReady, []);
  },
);

test('the histories and the log hold no private key and no token', async () => {
  const secrets = await keyLines(join(run.directory, 'home'));
  assert.ok(secrets.length > 30, 'the scanner knows the keys of the run');
  const texts = [...(await histories()), await run.readLog()];
  assert.ok(texts.length > 4);
  for (const text of texts) {
    assert.doesNotMatch(text, /PRIVATE KEY/);
    assert.doesNotMatch(text, /\b[a-z0-9]{6}\.[a-z0-9]{16}\b/);
    for (const secret of secrets) assert.ok(!text.includes(secret), 'a line of a private key was found');
  }
  const planted = `${texts[0] ?? ''}${secrets[0] ?? ''}`;
  assert.ok(
    secrets.some((secret) => planted.includes(secret)),
    'the scanner finds a planted key',
  );
});

test('a state store of another cluster is refused before anything is touched', { timeout: 200_000 }, async () => {
  const earlier = await snapshots();
  await run.stopWorker();
  await run.startWorker(join(run.directory, 'other-home'));
  const refused = await deploy(join(run.directory, 'cluster.yaml'));
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /nothing was changed/);
  for (const host of masters) assert.match(refused.stderr, new RegExp(`${host}: .*another cluster`));
  assert.deepEqual(await snapshots(), earlier);
});

function deploy(file: string): Promise<Outcome> {
  return run.startWorkflow('deploy-ha', '-f', file, '--json', join(run.directory, 'deploy.json'));
}

async function readReport(): Promise<DeployReport> {
  return JSON.parse(await readFile(join(run.directory, 'deploy.json'), 'utf8')) as DeployReport;
}

function succeeded({ exitCode, stderr }: Outcome): void {
  assert.equal(exitCode, 0, stderr);
}

/** Times of every file that a deployment may write and of every unit that it may start, by host. */
async function snapshots(): Promise<Record<string, string>> {
  const command = [
    "find /etc /usr/local /opt /var/lib/kube-proxy /var/lib/kubelet/config.yaml /var/cache -type f -printf '%p %m %u %T@ %C@\\n' 2>/dev/null | sort",
    "systemctl show -p Id -p ActiveEnterTimestampMonotonic 'etcd.service' 'kube*.service' 'containerd.service'",
  ].join('; ');
  const texts = await Promise.all(
    [...masters, ...nodes].map(async (host) => [host, await run.onHost(host, command)] as const),
  );
  return Object.fromEntries(texts);
}

/** Lines of base64 that belong to private keys in the state store. */
async function keyLines(home: string): Promise<string[]> {
  const files = await readdir(join(home, 'clusters', 'lab', 'pki'), { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
  );
  return texts.flatMap((text) =>
    [...text.matchAll(/-----BEGIN (?:EC |RSA )?PRIVATE KEY-----\n([\s\S]*?)-----END/g)].flatMap(([, body = '']) =>
      body.split('\n').filter((line) => line.length > 40),
    ),
  );
}

/** Every history of the run, decoded. */
async function histories(): Promise<string[]> {
  return run.withTemporal(async (client) => {
    const texts: string[] = [];
    for await (const { workflowId, runId } of client.list()) {
      const json = historyToJSON(await client.getHandle(workflowId, runId).fetchHistory());
      texts.push(
        json.replace(/"data":\s*"([A-Za-z0-9+/=]+)"/g, (_all, data: string) => Buffer.from(data, 'base64').toString()),
      );
    }
    return texts;
  });
}
