import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { LabRun, type Outcome, succeeded } from './harness.js';
import { commandLines, exposedSecretFiles, openToOthers, SecretScanner } from './secret-scanner.js';

/** One full story on real hosts: deploy, again, join, drill, and what must be refused. The tests build on each other. */

export const masters = ['master01', 'master02', 'master03'];
export const nodes = ['node01', 'node02'];
let run: LabRun;
/** Everything that commands printed, for the search for secrets. */
const printed: string[] = [];
/** Files with the command lines that the hosts saw during the deployment. */
const watched: string[] = [];
/** What was planned on bare hosts. */
let planned: string[];

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

/**
 * Registers the story's tests, for one version of Kubernetes.
 *
 * @param moreTests registers tests of the cluster with three nodes
 */
export function deploymentStory(kubernetes: string, moreTests: (run: () => LabRun) => void = () => {}): void {
  before(async () => {
    run = await LabRun.start();
  });

  after(async () => {
    await run.close();
  });

  test('the plan of bare hosts names everything that is missing', { timeout: 100_000 }, async () => {
    const file = await run.clusterFile(kubernetes, '--without', 'node03');
    const { stdout } = await run.startWorkflow('plan', '-f', file);
    assert.match(stdout, /^node01: \d+ changes; Services by (nftables|iptables) \(.+\); cgroup v[12] with/m);
    planned = names(await plan());
    for (const change of ['master01 etcd.service', 'node02 haproxy', 'node01 /usr/local/bin/kubelet'])
      assert.ok(planned.includes(change), `${change} is not in\n${planned.join('\n')}`);
  });

  test(
    'deploy-ha builds three masters and two nodes, each node approved by a person',
    { timeout: 400_000 },
    async (t) => {
      const file = join(run.directory, 'cluster.yaml');
      watched.push(...[...masters, ...nodes].map((host) => run.watchCommandLines(host, 240)));
      const [deployed, ...approvals] = await Promise.all([
        deploy(file),
        ...nodes.map((node) => run.approveNode(node, 300, '--approver', 'alice')),
      ]);
      succeeded(deployed);
      approvals.forEach(succeeded);
      const report = await readReport();
      t.diagnostic(
        `deploy-ha took ${report.seconds.toFixed(1)} s, worker peak ${(await run.workerPeakMiB()).toFixed(0)} MiB`,
      );
      assert.deepEqual(
        report.nodes,
        nodes.map((name) => ({ name, ready: true, version: kubernetes })),
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

  test('a deployment changes exactly what was planned', async () => {
    assert.deepEqual(applied(await run.readLog()), planned);
  });

  test(
    'what somebody edits or stops is planned exactly, and exactly that is mended, by two workers',
    { timeout: 300_000 },
    async () => {
      assert.deepEqual(await plan(), []);
      await run.onHost('node01', 'chmod 0644 /var/lib/kube-proxy/config.yaml');
      await run.onHost('master02', 'systemctl stop kube-scheduler');
      await run.onHost('master03', "sed -i 's/master01/somebody/' /etc/hosts");
      const drift = await plan();
      assert.deepEqual(drift.map(({ host, what, why }) => `${host} ${what}: ${why}`).sort(), [
        'master02 kube-scheduler.service: stopped',
        'master03 /etc/hosts: block differs',
        'node01 /var/lib/kube-proxy/config.yaml: mode 0644, wanted 0600',
        'node01 kube-proxy.service: reads /var/lib/kube-proxy/config.yaml, which changes',
      ]);
      const before = (await run.readLog()).length;
      await run.startSecondWorker();
      succeeded(await deploy(join(run.directory, 'cluster.yaml')));
      assert.equal((await readReport()).changed, drift.length);
      const logs = [(await run.readLog()).slice(before), await run.stopSecondWorker()];
      for (const log of logs) assert.match(log, /component changing/);
      assert.deepEqual(applied(logs.join('')), names(drift));
      assert.deepEqual(await plan(), []);
    },
  );

  test('node03 joins the running cluster by itself', { timeout: 200_000 }, async () => {
    const file = await run.clusterFile(kubernetes);
    const [added, approved] = await Promise.all([
      run.startWorkflow('add-node', 'node03', '-f', file),
      run.approveNode('node03', 150),
    ]);
    succeeded(added);
    succeeded(approved);
    const ready = await run.asOperator('master01', 'kubectl get nodes --no-headers');
    assert.equal(ready.split('\n').filter((line) => /^node0[123] +Ready /.test(line)).length, 3, ready);
  });

  moreTests(() => run);

  test('no bootstrap token outlives its join', async () => {
    const secrets = await run.asOperator('master01', 'kubectl get secrets -n kube-system -o name');
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

  test(
    'no key and no token is in histories, logs, errors, command lines or files of others',
    { timeout: 200_000 },
    async () => {
      const home = join(run.directory, 'home');
      const scanner = await SecretScanner.knowing([join(home, 'clusters')]);
      assert.ok(scanner.size > 60, 'the scanner knows the keys of the run');
      const hosts = [...masters, ...nodes];
      const journals = await Promise.all(hosts.map((host) => run.onHost(host, 'journalctl --no-pager --output cat')));
      const commands = await Promise.all(watched.map((path) => readFile(path, 'utf8')));
      for (const lines of commands) assert.ok(lines.split('\n').length > 30, 'command lines were watched');
      const texts: Record<string, readonly string[]> = {
        histories: await histories(),
        'logs of workers': [await run.readLog(), await readFile(join(run.directory, 'worker-2.log'), 'utf8')],
        'what commands printed': printed,
        'command lines on hosts': commands,
        journals,
      };
      for (const [where, list] of Object.entries(texts)) {
        assert.ok(list.length > 0 && list.every((text) => text.length > 0), `nothing was found to scan in ${where}`);
        assert.deepEqual(
          list.flatMap((text) => scanner.find(text)),
          [],
          where,
        );
      }
      assert.deepEqual(await openToOthers(home), [], "the state store is its owner's alone");
      for (const host of hosts) assert.equal(await run.onHost(host, exposedSecretFiles), '', host);
    },
  );

  test('the search for secrets finds those that are planted', async () => {
    const keys = join(run.directory, 'home', 'clusters');
    const scanner = await SecretScanner.knowing([keys]);
    const key = await run.onHost('master01', 'cat /etc/kubernetes/pki/ca.key');
    const [, line = ''] = key.split('\n');
    assert.equal(scanner.find(`a log line with ${line} in it`).length, 1);
    // Known by its own letters, and as an encoded key of whomever.
    assert.equal(scanner.find(`a kubeconfig with ${Buffer.from(`${key}\n`).toString('base64')}`).length, 2);
    await run.onHost('node02', 'install -m 0644 /var/lib/kubelet/pki/kubelet-client-current.pem /var/tmp/planted');
    assert.equal(await run.onHost('node02', exposedSecretFiles), '/var/tmp/planted');
    const [seen] = await Promise.all([
      run.onHost('node02', commandLines(6)),
      run.onHost('node02', "sh -c 'sleep 3; :' abcdef.0123456789uvwxyz"),
    ]);
    assert.deepEqual(scanner.find(seen), ['a bootstrap token']);
    await run.onHost('node02', 'rm /var/tmp/planted');
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
}

async function deploy(file: string): Promise<Outcome> {
  const outcome = await run.startWorkflow('deploy-ha', '-f', file, '--json', join(run.directory, 'deploy.json'));
  printed.push(outcome.stdout + outcome.stderr);
  return outcome;
}

interface PlannedChange {
  readonly host: string;
  readonly what: string;
  readonly why: string;
}

async function plan(): Promise<PlannedChange[]> {
  const outcome = await run.startWorkflow('plan', '-f', join(run.directory, 'cluster.yaml'), '--json');
  succeeded(outcome);
  const hosts = JSON.parse(outcome.stdout) as { host: string; changes: Omit<PlannedChange, 'host'>[] }[];
  return hosts.flatMap(({ host, changes }) => changes.map((change) => ({ host, ...change })));
}

/** Changes without their reasons, in a fixed order, each once. */
function names(changes: readonly Pick<PlannedChange, 'host' | 'what'>[]): string[] {
  return [...new Set(changes.map(({ host, what }) => `${host} ${what}`))].sort();
}

/** What the workers say in their logs that they are going to change on hosts, whether or not the attempt came through. */
function applied(log: string): string[] {
  interface Applied {
    readonly host: string;
    readonly changes: readonly { readonly what: string }[];
  }
  const lines = log.split('\n').filter((line) => line.includes('"component changing"'));
  return names(
    lines.flatMap((line) => {
      const { host, changes } = JSON.parse(line) as Applied;
      return changes.map(({ what }) => ({ host, what }));
    }),
  );
}

async function readReport(): Promise<DeployReport> {
  return JSON.parse(await readFile(join(run.directory, 'deploy.json'), 'utf8')) as DeployReport;
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

/** Every history of the run, decoded. */
async function histories(): Promise<string[]> {
  return run.withTemporal(async (client) => {
    const texts: string[] = [];
    for await (const { workflowId, runId } of client.workflow.list()) {
      const json = historyToJSON(await client.workflow.getHandle(workflowId, runId).fetchHistory());
      texts.push(
        json.replace(/"data":\s*"([A-Za-z0-9+/=]+)"/g, (_all, data: string) => Buffer.from(data, 'base64').toString()),
      );
    }
    return texts;
  });
}
