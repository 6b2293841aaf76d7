import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { seedVersion } from '../../lab/mirror/plans/index.js';
import type { StepRecord } from '../../workflows/engine/dag.js';
import { listen } from '../support/loopback.js';
import { lab, LabRun, mirrorOf, must, type Outcome, succeeded } from './harness.js';

/**
 * One deployment that is aborted in the middle, and then meets everything that commonly goes wrong on hosts: each
 * trouble holds its step and nothing else, says what to do, and the step finishes once it is mended.
 */

interface Trouble {
  /** The step that cannot go through. */
  readonly step: string;
  /** What its problem says: what is wrong, and what to do. */
  readonly says: RegExp;
  readonly made: 'before the deployment' | 'during the deployment';
  readonly make: () => Promise<unknown>;
  readonly mend: () => Promise<unknown>;
}

let run: LabRun;
/** Ends every wait of a test that has failed. */
const ending = new AbortController();
let mirror: Server;
/** A package of nodes. From the beginning, so that no earlier run has left it in the worker's cache. */
let packageIsDown = true;
let file: string;

const troubles: Record<string, Trouble> = {
  'a directory that root cannot write': {
    step: 'etcd:master02',
    says: /master02: .*Read-only file system.*; let root write there/,
    made: 'before the deployment',
    make: () => run.onHost('master02', 'mkdir -p /etc/etcd && mount -t tmpfs -o ro locked /etc/etcd'),
    mend: () => run.onHost('master02', 'umount /etc/etcd'),
  },
  'a disk that is full': {
    step: 'container-runtime-binaries:node01',
    says: /node01: .*No space left on device.*; free some space/,
    made: 'before the deployment',
    make: () => run.onHost('node01', 'mkdir -p /opt/cni && mount -t tmpfs -o size=1m full /opt/cni'),
    mend: () => run.onHost('node01', 'umount /opt/cni'),
  },
  'a source of packages that is down': {
    step: 'host:node02',
    says: /packages\/.*503/,
    made: 'before the deployment',
    make: () => Promise.resolve(),
    mend: () => Promise.resolve((packageIsDown = false)),
  },
  'a host whose cable is out': {
    step: 'kube-apiserver:master03',
    says: /master03: .*; see that the host is up and its SSH port can be reached/,
    made: 'during the deployment',
    make: async () => {
      // Its start takes longer than the cut, so that it is in the middle of it however fast the machine is.
      await run.onHost(
        'master03',
        `mkdir -p ${slowly} && printf '[Service]\\nExecStartPre=sleep 20\\n' >${slowly}/slow.conf`,
      );
      await until('control-plane-binaries:master03', 'done', 300);
      await until('kube-apiserver:master03', 'running', 400);
      await must(lab(['cut', 'master03']));
    },
    mend: async () => {
      await must(lab(['heal', 'master03']));
      await run.onHost('master03', `rm -r ${slowly} && systemctl daemon-reload`);
    },
  },
  'a port that another program took after the preflight': {
    step: 'kube-apiserver:master01',
    says: /master01: .*kube-apiserver.service.*address already in use.*; stop the program that has the port/,
    made: 'during the deployment',
    make: async () => {
      await until('admit', 'done', 60);
      await run.onHost('master01', `systemd-run --quiet --unit squatter perl -MIO::Socket::INET -e '${squatter}'`);
    },
    mend: () => run.onHost('master01', 'systemctl stop squatter'),
  },
};

/** What slows the start of the API server down. */
const slowly = '/run/systemd/system/kube-apiserver.service.d';

/** Takes the API server's port. */
const squatter =
  'my $s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 6443, Listen => 1) or die; sleep 600';

before(async () => {
  run = await LabRun.start();
  const directory = mirrorOf(seedVersion);
  mirror = createServer((request, response) => {
    const path = normalize(decodeURIComponent(request.url ?? ''));
    if (packageIsDown && path.includes('/conntrack_')) {
      response.writeHead(503).end();
      return;
    }
    createReadStream(join(directory, path))
      .on('error', () => response.writeHead(404).end())
      .pipe(response);
  });
  const port = await listen(mirror);
  file = await run.clusterFile(seedVersion, '--without', 'node03', '--approvals', 'inventory');
  const spec = parse(await readFile(file, 'utf8')) as { artifacts: { mirror: string } };
  spec.artifacts.mirror = `http://127.0.0.1:${port}`;
  await writeFile(file, stringify(spec));
});

after(async () => {
  ending.abort();
  mirror.closeAllConnections();
  mirror.close();
  await run.close();
});

test('a clock that is off is refused before anything is touched', { timeout: 60_000 }, async () => {
  const before = await run.onHost('node01', 'find /etc /usr/local /opt -type f -newer /proc/1 | sort');
  // The hosts share the machine's clock; what tells the time on this one is an hour ahead.
  const wrong = '#!/bin/sh\\nexec /usr/bin/date -d "1 hour" "$@"\\n';
  await run.onHost('node01', `printf '${wrong}' >/usr/local/sbin/date && chmod +x /usr/local/sbin/date`);
  const refused = await run.startWorkflow('deploy-ha', '-f', file);
  await run.onHost('node01', 'rm /usr/local/sbin/date');
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /nothing was changed/);
  assert.match(refused.stderr, /node01: its clock is 3[56]\d\d s off the median .* start its time service/);
  assert.equal(await run.onHost('node01', 'find /etc /usr/local /opt -type f -newer /proc/1 | sort'), before);
});

test(
  'an abort in the middle leaves no half-written file and no process on any host',
  { timeout: 120_000 },
  async () => {
    const aborted = run.startWorkflow('deploy-ha', '-f', file);
    await until('kube-apiserver-binaries:master01', 'running', 60);
    succeeded(await run.startWorkflow('abort', '--cluster', 'lab', '--reason', 'wrong hosts'));
    const { exitCode, stderr } = await aborted;
    assert.equal(exitCode, 1);
    assert.match(stderr, /aborted: wrong hosts/);
    for (const host of ['master01', 'master02', 'master03', 'node01', 'node02']) {
      assert.equal(await run.onHost(host, leftovers), '', host);
    }
  },
);

test(
  'every trouble holds its own step alone, says what to do, and is over once it is mended',
  { timeout: 900_000 },
  async (t) => {
    const all = Object.entries(troubles);
    for (const [, { made, make }] of all) if (made === 'before the deployment') await make();
    const deployment = run.startWorkflow('deploy-ha', '-f', file);
    // What hangs after it was seen healthy is found when Services are checked, and started again.
    const hung = new Promise((resolve, reject) => {
      run.onWorkerLine(({ step, state }) => {
        if (step === 'join:node01' && state === 'done') {
          run.onHost('node01', 'systemctl kill --signal=STOP kube-proxy').then(resolve, reject);
        }
      });
    });
    const unclear: string[] = [];
    const mended: Trouble[] = [];
    // Side by side, for a trouble may hold the step of another one, such as the packages of every node.
    const [open] = await Promise.all([
      retryUntil(deployment, mended),
      Promise.race([hung, deployment]),
      ...all.map(async ([name, trouble]) => {
        if (trouble.made === 'during the deployment') await trouble.make();
        const held = await until(trouble.step, 'held', 500);
        t.diagnostic(`${name} held ${trouble.step}: ${held.problem ?? ''}`);
        if (!trouble.says.test(held.problem ?? '')) unclear.push(`${name}: ${held.problem ?? ''}`);
        await trouble.mend();
        mended.push(trouble);
      }),
    ]);
    assert.deepEqual(unclear, [], 'a problem says what is wrong and what to do');
    const { exitCode, stderr } = await deployment;
    const log = (await run.readLog()).split('\n').slice(-20).join('\n');
    assert.equal(exitCode, 0, `${stderr}\nlast seen open:\n${open}\nthe worker's last words:\n${log}`);
    assert.match(stderr, /again .*NodePort on node01.*; restarted kube-proxy\.service on node01, as /);
    assert.match(stderr, /checks: (\d+) of \1 passed/);
  },
);

/** Prints temporary files of transfers, spools, and processes of the deployer's sessions. */
const leftovers = [
  "find / -xdev -name '.*.ha-kubernetes-new*' -o -xdev -path '/var/cache/ha-kubernetes/*'",
  'pgrep -af "ha-kubernetes-session|sh -s$" | grep -v pgrep',
  'true',
].join('; ');

async function steps(): Promise<readonly StepRecord[]> {
  const { exitCode, stdout } = await run.startWorkflow('status', '--cluster', 'lab', '--json');
  return exitCode === 0 ? (JSON.parse(stdout) as { state: string; steps: readonly StepRecord[] }).steps : [];
}

/**
 * Retries whatever a mended trouble still holds, for it may hold more than its own step, such as the packages of another
 * node, until the deployment is over.
 *
 * @returns the steps that were not done when the deployment was last seen, a line each
 * @throws when a step is held by anything else
 */
async function retryUntil(deployment: Promise<Outcome>, mended: readonly Trouble[]): Promise<string> {
  const over = deployment.then(() => true);
  const causes = (of: readonly Trouble[], problem: string): boolean => of.some(({ says }) => says.test(problem));
  let open = '';
  while (!ending.signal.aborted && !(await Promise.race([over, delay(2000, false)]))) {
    const seen = await steps();
    for (const { id, state, problem = '' } of seen) {
      if (state !== 'held') continue;
      if (causes(mended, problem)) await run.startWorkflow('retry-step', id, '--cluster', 'lab', '--reason', 'mended');
      else assert.ok(causes(Object.values(troubles), problem), `${id} is held by something else: ${problem}`);
    }
    const notDone = seen.filter(({ state }) => state !== 'done');
    if (notDone.length > 0) open = notDone.map(({ id, state, problem = '' }) => `${state} ${id} ${problem}`).join('\n');
  }
  return open;
}

/** Waits until a step of the running deployment is in a state. */
async function until(id: string, state: StepRecord['state'], seconds: number): Promise<StepRecord> {
  const deadline = Date.now() + seconds * 1000;
  let seen: StepRecord | undefined;
  while (Date.now() < deadline && !ending.signal.aborted) {
    seen = (await steps()).find((step) => step.id === id);
    if (seen?.state === state) return seen;
    await delay(500);
  }
  throw new Error(`step ${id} is ${seen?.state ?? 'unknown'} after ${seconds} s, not ${state}: ${seen?.problem ?? ''}`);
}
