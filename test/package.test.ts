import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { version } from '../client/version.js';
import { freePort } from './support/loopback.js';

/** What somebody has who installs the package and never sees a checkout. */

const root = fileURLToPath(new URL('../..', import.meta.url));
let directory: string;

before(
  async () => {
    directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-package-'));
    await execa('npm', ['pack', '--pack-destination', directory], { cwd: root });
    const [tarball = ''] = await readdir(directory);
    const options = ['--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
    await execa('npm', ['install', '--global', '--prefix', join(directory, 'prefix'), ...options, tarball], {
      cwd: directory,
    });
  },
  { timeout: 300_000 },
);

after(() => rm(directory, { recursive: true, force: true }));

async function run(command: string, ...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const {
    exitCode = -1,
    stdout,
    stderr,
  } = await execa(join(directory, 'prefix/bin', command), args, {
    cwd: directory,
    env: { HA_KUBERNETES_HOME: join(directory, 'home') },
    stdin: 'ignore',
    reject: false,
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}

test('every command of the package runs without the checkout', async () => {
  for (const command of ['start-workflow', 'approve-csr']) {
    const { exitCode, stdout } = await run(command, '--version');
    assert.deepEqual([exitCode, stdout], [0, version], command);
  }
});

test('an example of the package is valid for it', async () => {
  const example = join(directory, 'prefix/lib/node_modules/ha-kubernetes/examples/today.yaml');
  const { exitCode, stdout, stderr } = await run('start-workflow', 'validate', '-f', example);
  assert.equal(exitCode, 0, stderr);
  assert.match(stdout, /is valid: cluster /);
});

test('two versions of a file are compared, which reads the lock files of the package', async () => {
  const example = join(directory, 'prefix/lib/node_modules/ha-kubernetes/examples/today.yaml');
  const { exitCode, stdout, stderr } = await run('start-workflow', 'plan', '-f', example, '--from', example);
  assert.deepEqual([exitCode, stdout], [0, 'both describe the same'], stderr);
});

test('the worker of the package starts, and says what it misses', async () => {
  const { exitCode, stderr } = await execa(join(directory, 'prefix/bin/ha-kubernetes-worker'), [], {
    env: { HA_KUBERNETES_HOME: join(directory, 'home'), TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` },
    reject: false,
    timeout: 60_000,
  });
  assert.equal(exitCode, 1);
  assert.match(stderr, /error: .*Temporal/);
});

test('the completion names every command, and its options', async () => {
  const { stdout } = await run('start-workflow', 'completion');
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = `${stdout}\nCOMP_WORDS=(${words.join(' ')} '') COMP_CWORD=${words.length}\n_start_workflow\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await execa('bash', ['-c', script])).stdout.split('\n');
  };
  assert.ok((await complete('start-workflow')).includes('deploy-ha'));
  assert.ok((await complete('start-workflow', 'destroy')).includes('--delete-data'));
});

test('the package has no test, no lab and no source', async () => {
  const inside = await readdir(join(directory, 'prefix/lib/node_modules/ha-kubernetes'), { recursive: true });
  const foreign = inside.filter(
    (path) => !path.startsWith('node_modules/') && /^dist\/(test|lab|bench)|\.ts$/.test(path),
  );
  assert.deepEqual(foreign, []);
});
