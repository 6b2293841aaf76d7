import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { freePort } from '../support/loopback.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const seed = join(root, 'examples/seed.yaml');

interface Ended {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a client as a user does, with a state store of its own and no Temporal server to reach. */
async function run(t: TestContext, client: string, ...args: string[]): Promise<Ended> {
  const { exitCode, stdout, stderr } = await execa('node', [join(root, `dist/client/${client}.js`), ...args], {
    env: {
      HA_KUBERNETES_HOME: await temporaryDirectory(t),
      TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}`,
    },
    stdin: 'ignore',
    reject: false,
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}

test('validate accepts the seed', async (t) => {
  const { exitCode, stdout, stderr } = await run(t, 'start-workflow', 'validate', '-f', seed);
  assert.deepEqual([exitCode, stderr], [0, '']);
  assert.equal(stdout, `${seed} is valid: cluster mykernel, Kubernetes v1.20.2, 6 hosts`);
});

test('plan --from compares two files, and needs no Temporal server for it', async (t) => {
  const path = join(await temporaryDirectory(t), 'newer.yaml');
  await writeFile(path, (await readFile(seed, 'utf8')).replace('kubernetes: v1.20.2', 'kubernetes: v1.37.1'));
  const { exitCode, stdout, stderr } = await run(t, 'start-workflow', 'plan', '--from', seed, '-f', path);
  assert.deepEqual([exitCode, stderr], [0, '']);
  assert.match(stdout, /^master01, master02, master03: kube-scheduler\n {2}\/etc\/systemd\/.*\n {4}- --port=0$/m);
  const same = await run(t, 'start-workflow', 'plan', '--from', path, '-f', path);
  assert.equal(same.stdout, 'both describe the same');
});

test('validate ends with 2 on a bad file, and says what to do and nothing else', async (t) => {
  const path = join(await temporaryDirectory(t), 'bad.yaml');
  await writeFile(
    path,
    (await readFile(seed, 'utf8')).replace('containerRuntime: containerd', 'containerRuntime: docker'),
  );
  const { exitCode, stdout, stderr } = await run(t, 'start-workflow', 'validate', '-f', path);
  assert.deepEqual([exitCode, stdout], [2, '']);
  assert.match(stderr, /^error: .*cannot be used \(nothing was touched\):\n.*bad\.yaml:\d+: containerRuntime\n/);
  assert.match(stderr, /fix: {5}write containerRuntime: containerd/);
  assert.doesNotMatch(stderr, /\n\s+at /);
});

test('a changing command refuses a bad file before it looks for Temporal', async (t) => {
  const path = join(await temporaryDirectory(t), 'bad.yaml');
  await writeFile(path, 'name: Bad\n');
  const { exitCode, stderr } = await run(t, 'start-workflow', 'deploy-ha', '-f', path);
  assert.equal(exitCode, 2);
  assert.match(stderr, /bad\.yaml:1: name/);
});

const withoutServer: [string, ...string[]][] = [
  ['start-workflow', 'deploy-ha', '-f', seed],
  ['start-workflow', 'add-node', 'node03', '-f', seed],
  ['start-workflow', 'failover-drill', '-f', seed],
  ['start-workflow', 'destroy', '-f', seed, '--confirm', 'mykernel'],
  ['start-workflow', 'plan', '-f', seed],
  ['start-workflow', 'status', '--cluster', 'mykernel'],
  ['start-workflow', 'abort', '--cluster', 'mykernel', '--reason', 'test'],
  ['approve-csr', 'list', '--cluster', 'mykernel'],
  ['approve-csr', 'approve', 'node01', '5ca1ab1e', '--cluster', 'mykernel'],
];

// Each waits five seconds for a server, most of it idle.
suite('a client without a Temporal server', { concurrency: 4 }, () => {
  for (const [client, ...args] of withoutServer) {
    test(`${client} ${args[0] ?? ''} ends with one clear error`, async (t) => {
      const { exitCode, stdout, stderr } = await run(t, client, ...args);
      assert.match(
        stderr,
        /^error: no Temporal server answers at 127\.0\.0\.1:\d+; start one \(.*\) or set TEMPORAL_ADDRESS$/,
      );
      assert.deepEqual([exitCode, stdout], [2, '']);
    });
  }
});

test('a host that is not in the file cannot be added', async (t) => {
  const { exitCode, stderr } = await run(t, 'start-workflow', 'add-node', 'node09', '-f', seed);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: node09 is no host of this file; its hosts are master01, .*node03$/);
});

test('a master cannot be added as a node', async (t) => {
  const { exitCode, stderr } = await run(t, 'start-workflow', 'add-node', 'master01', '-f', seed);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: master01 has roles etcd, control-plane; add-node needs the role node$/);
});

test('destroy without a terminal wants the name of the cluster, before it looks for Temporal', async (t) => {
  const { exitCode, stderr } = await run(t, 'start-workflow', 'destroy', '-f', seed);
  assert.equal(exitCode, 2);
  assert.match(stderr, /^error: this removes cluster mykernel .* without a terminal, add --confirm mykernel$/);
});

test('destroy with another name touches nothing', async (t) => {
  const { exitCode, stderr } = await run(t, 'start-workflow', 'destroy', '-f', seed, '--confirm', 'mykernels');
  assert.equal(exitCode, 2);
  assert.match(
    stderr,
    /^error: the file describes cluster mykernel, and "mykernels" was confirmed; nothing was touched$/,
  );
});

test('destroy asks for the name of the cluster on a terminal, and goes on with the right one only', async (t) => {
  // script (of bsdutils, which every Debian has) gives it a terminal; both outputs come as one.
  const ask = async (answer: string): Promise<Omit<Ended, 'stderr'>> => {
    const command = `node ${join(root, 'dist/client/start-workflow.js')} destroy -f ${seed}`;
    const { exitCode, stdout } = await execa('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: {
        HA_KUBERNETES_HOME: await temporaryDirectory(t),
        TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}`,
      },
      input: answer,
      reject: false,
      timeout: 60_000,
    });
    return { exitCode, stdout };
  };
  const right = await ask('mykernel\n');
  assert.match(right.stdout, /Type its name to go on: .*[\s\S]*error: no Temporal server answers/);
  const wrong = await ask('yes\n');
  assert.equal(wrong.exitCode, 2);
  assert.match(
    wrong.stdout,
    /error: the file describes cluster mykernel, and "yes" was confirmed; nothing was touched/,
  );
});

test('approve-csr decides about nothing that was not named or shown, before it looks for Temporal', async (t) => {
  const approve = ['approve', 'node01', '--cluster', 'mykernel'];
  const unnamed = await run(t, 'approve-csr', ...approve);
  assert.match(
    unnamed.stderr,
    /^error: which request of node01\? Without a terminal, say so: approve-csr approve node01 SHA256/,
  );
  const short = await run(t, 'approve-csr', ...approve, 'abc');
  assert.match(short.stderr, /^error: "abc" is no part of a sha256; allowed: its first 8 to 64 characters/);
  assert.deepEqual([unnamed.exitCode, short.exitCode], [2, 2]);
});

test('wrong use ends with 2 and shows the way to the options', async (t) => {
  const wrong: [string, ...string[]][] = [
    ['start-workflow', 'deploy-ha'],
    ['start-workflow', 'unknown'],
    ['approve-csr', 'approve', '--cluster', 'mykernel'],
    ['approve-csr', 'show', 'node01', '--cluster', 'mykernel', '--wait', 'abc'],
    ['approve-csr', 'show', 'node01', '--cluster', 'mykernel', '--wait', '-1'],
    ['start-workflow', 'retry-step', 'etcd-health', '--cluster', 'mykernel'],
    ['start-workflow', 'host-back', 'master01', '--cluster', 'mykernel'],
    ['start-workflow', 'failover-drill', '-f', seed, '--lease', 'none'],
  ];
  for (const [client, ...args] of wrong) {
    const { exitCode, stderr } = await run(t, client, ...args);
    assert.equal(exitCode, 2, args.join(' '));
    assert.match(stderr, /^error: .*\n\(add --help for the options\)/);
  }
});

test('each program says its version, which is that of the package', async (t) => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const client of ['start-workflow', 'approve-csr']) {
    const { exitCode, stdout } = await run(t, client, '--version');
    assert.deepEqual([exitCode, stdout], [0, version]);
  }
});
