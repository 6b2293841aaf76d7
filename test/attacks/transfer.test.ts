import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { benchScript } from '../../activities/audit.js';
import { commitFunctions } from '../../activities/host-state/apply-script.js';
import { call, script, temporaryPath } from '../../activities/host-state/shell.js';
import { transfer } from '../../activities/host-state/transfer.js';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import { quote } from '../../activities/ssh/remote-command.js';
import { componentsOf, componentState } from '../../cluster/components/index.js';
import { anySpec, debianFacts, lockFor } from '../cluster/documents.js';
import { startSshd } from '../ssh/loopback-sshd.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** On its way to its name, a file waits under a temporary one, where somebody on the host could lay hands on it. */

const owner = execFileSync('sh', ['-c', 'echo "$(id -un):$(id -gn)"'], { encoding: 'utf8' }).trim();
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
/** Runs calls of the script that gives files their names. */
const commit = (...calls: string[]): { status: number | null; stderr: string } =>
  spawnSync('sh', ['-s'], { input: script(commitFunctions, calls), encoding: 'utf8' });

test('a file that is exchanged between its check and its put is not what gets the name', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'file');
  await writeFile(temporaryPath(path), 'whole');
  const { status, stderr } = commit(
    call('check', temporaryPath(path), digest('whole'), path),
    `printf evil >${quote(temporaryPath(path))}`,
    call('put', temporaryPath(path), path, '0644', owner),
  );
  assert.equal(status, 0, stderr);
  assert.equal(await readFile(path, 'utf8'), 'whole');
  assert.equal(await readFile(temporaryPath(path), 'utf8'), 'evil');
});

test('a file that is exchanged for a link after its check gets no name, and what the link leads to keeps its mode', async (t) => {
  const directory = await temporaryDirectory(t);
  const [path, theirs] = [join(directory, 'file'), join(directory, 'shadow')];
  await writeFile(temporaryPath(path), 'whole');
  await writeFile(theirs, 'root', { mode: 0o600 });
  const { status, stderr } = commit(
    call('check', temporaryPath(path), digest('whole'), path),
    `ln -sf ${quote(theirs)} ${quote(temporaryPath(path))}."$$"`,
    call('put', temporaryPath(path), path, '0644', owner),
  );
  assert.equal(status, 1);
  assert.match(stderr, /file was exchanged for something that is no file/);
  assert.equal((await stat(theirs)).mode & 0o777, 0o600);
  await assert.rejects(lstat(path), { code: 'ENOENT' });
});

test('links that wait under a temporary name, or under a name, are replaced, and what they lead to is left alone', async (t) => {
  const sshd = await startSshd();
  const pool = new SshPool({ hosts: () => sshd.target });
  t.after(async () => {
    await pool.close();
    await sshd.stop();
  });
  const directory = await temporaryDirectory(t);
  const [path, theirs, theirDirectory] = [join(directory, 'file'), join(directory, 'a'), join(directory, 'b')];
  await mkdir(theirDirectory);
  for (const [temporary, named] of [
    [theirs, theirs],
    [theirDirectory, theirDirectory],
    [join(directory, 'nowhere'), join(directory, 'nowhere')],
  ] as const) {
    await writeFile(theirs, 'theirs');
    await symlink(temporary, temporaryPath(path));
    await symlink(named, path);
    const content = { size: 4, open: () => Buffer.from('ours') };
    await transfer(pool.host('node01'), [{ path: temporaryPath(path), content }], {});
    assert.ok((await lstat(temporaryPath(path))).isFile());
    const { status, stderr } = commit(
      call('check', temporaryPath(path), digest('ours'), path),
      call('put', temporaryPath(path), path, '0644', owner),
    );
    assert.equal(status, 0, stderr);
    assert.ok((await lstat(path)).isFile());
    assert.equal(await readFile(path, 'utf8'), 'ours');
    assert.equal(await readFile(theirs, 'utf8'), 'theirs');
    assert.deepEqual(await readdir(theirDirectory), []);
    execFileSync('rm', [path]);
  }
});

test('a kube-bench or a rule of it that was exchanged after it was sent is not run as root, and goes', async (t) => {
  const evidence = join(await temporaryDirectory(t), 'evidence');
  const files = {
    'kube-bench': `#!/bin/sh\necho "$*" >>${quote(evidence)}\necho '{}'\n`,
    'cfg/config.yaml': 'rules\n',
  };
  for (const exchanged of [undefined, 'kube-bench', 'cfg/config.yaml'] as const) {
    const directory = join(await temporaryDirectory(t), "it's sent");
    await mkdir(join(directory, 'cfg'), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(directory, name), name === exchanged ? `${text}#` : text);
    }
    const sent = Object.entries(files).map(([name, text]) => ({ path: join(directory, name), sha256: digest(text) }));
    const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
      input: benchScript({ roles: ['node'] }, 'cis-1.12', sent, directory),
      encoding: 'utf8',
    });
    if (exchanged === undefined) assert.deepEqual([status, stdout, stderr], [0, '{}\n', '']);
    else assert.match(stderr, /arrived damaged/);
    await assert.rejects(stat(directory), { code: 'ENOENT' });
  }
  const [ran = '', ...more] = (await readFile(evidence, 'utf8')).trim().split('\n');
  assert.match(
    ran,
    /^run --json --benchmark cis-1\.12 --targets node --config-dir .*cfg --config .*config\.yaml --skip /,
  );
  assert.deepEqual(more, []);
});

test('no file of any cluster is received where a service or anybody else but root may write', () => {
  let seen = 0;
  fc.assert(
    fc.property(anySpec, (spec) => {
      for (const host of spec.hosts) {
        const states = componentsOf(spec, host).map((component) =>
          componentState(component, { spec, host, lock: lockFor(spec.kubernetes), facts: debianFacts }),
        );
        const directories = new Map(states.flatMap((state) => state.directories).map((one) => [one.path, one]));
        for (const { path } of states.flatMap((state) => state.files)) {
          for (let above = dirname(path); above !== '/'; above = dirname(above)) {
            assert.doesNotMatch(above, /^(\/tmp|\/var\/tmp|\/dev\/shm|\/home)/, path);
            const made = directories.get(above);
            if (made === undefined) continue;
            seen += 1;
            assert.deepEqual([made.owner, made.mode & 0o022], ['root:root', 0], `${path} is below ${above}`);
          }
        }
      }
    }),
    { numRuns: 30 },
  );
  assert.ok(seen > 100);
});
