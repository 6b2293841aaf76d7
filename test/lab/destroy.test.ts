import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { LabRun, type Outcome } from './harness.js';
import { everything } from './host-snapshot.js';

/** The way back on real hosts: what a host is after a destroy is what it was before the deployment. */

const masters = ['master01', 'master02', 'master03'];
const hosts = [...masters, 'node01', 'node02', 'node03'];
let run: LabRun;
let file: string;
let pristine: Record<string, readonly string[]>;

before(async () => {
  run = await LabRun.start();
  file = await run.clusterFile('--approvals', 'inventory');
  // What systemd still starts on a host that has just booted is no difference that a deployment made.
  await Promise.all(hosts.map((host) => run.onHost(host, 'systemctl is-system-running --wait || true')));
  pristine = await look();
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
    assert.deepEqual(differences(pristine, await look()), []);
  },
);

test('a second destroy has nothing to do and says so', { timeout: 200_000 }, async () => {
  const again = await run.startWorkflow('destroy', '-f', file, '--confirm', 'lab');
  succeeded(again);
  assert.match(again.stderr, /nothing had to be changed/);
  assert.deepEqual(differences(pristine, await look()), []);
});

test('a deployment after a destroy works', { timeout: 400_000 }, async () => {
  const deployed = await run.startWorkflow('deploy-ha', '-f', file);
  succeeded(deployed);
  assert.match(deployed.stderr, /3 members/);
});

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
  assert.deepEqual(differences(pristine, await look()), []);
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

function succeeded({ exitCode, stderr }: Outcome): void {
  assert.equal(exitCode, 0, stderr);
}

/** Lines that one look at the hosts has and the other has not. */
function differences(earlier: Record<string, readonly string[]>, later: Record<string, readonly string[]>): string[] {
  return hosts.flatMap((host) => {
    const [was, is] = [earlier[host] ?? [], later[host] ?? []];
    const [hadSet, hasSet] = [new Set(was), new Set(is)];
    return [
      ...was.filter((line) => !hasSet.has(line)).map((line) => `${host} lost ${line}`),
      ...is.filter((line) => !hadSet.has(line)).map((line) => `${host} got ${line}`),
      ...(was.length === is.length ? [] : [`${host} had ${was.length} lines, has ${is.length}`]),
    ];
  });
}

/** Everything that a deployment could have changed on each host, a line each. */
async function look(): Promise<Record<string, readonly string[]>> {
  const seen = await Promise.all(
    hosts.map(async (host) => {
      // The lab's hosts have no nft, but their namespaces can be looked into from outside.
      const filter = await execa('ip', ['netns', 'exec', `hk-${host}`, 'nft', 'list', 'ruleset']);
      // iptables makes tables and cannot delete them; one without a chain sees no packet.
      const chains = filter.stdout.replace(/^table \S+ \S+ \{\s*\}\n?/gm, '');
      return [host, [...(await run.onHost(host, everything)).split('\n'), ...chains.split('\n')]] as const;
    }),
  );
  return Object.fromEntries(seen);
}
