import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { packageFunctions } from '../../activities/host-state/apply-script.js';
import { observeFunctions } from '../../activities/host-state/observe-script.js';
import { call, PACKAGE_SPOOL, script } from '../../activities/host-state/shell.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const noJournal = 'note_package() { :; }; journal_written() { :; }\n';

/** The functions of the script against dpkg's records in a directory of the test's own, with apt and journal left out. */
async function onHost(t: TestContext, statuses: Record<string, string>): Promise<{ spool: string; run: () => string }> {
  const directory = await temporaryDirectory(t);
  const [records, spool] = [join(directory, 'dpkg'), join(directory, 'spool')];
  await mkdir(join(records, 'info'), { recursive: true });
  await mkdir(join(records, 'updates'));
  await mkdir(spool);
  const control = (name: string, more = ''): string =>
    `Package: ${name}\n${more}Maintainer: x <x@example.org>\nArchitecture: all\nVersion: 1.0\nDescription: x\n`;
  const entries = Object.entries(statuses).filter(([, status]) => status !== '');
  await writeFile(
    join(records, 'status'),
    entries.map(([name, status]) => control(name, `Status: install ${status}\n`)).join('\n'),
  );
  for (const name of Object.keys(statuses)) {
    const tree = join(directory, name);
    await mkdir(join(tree, 'DEBIAN'), { recursive: true });
    await writeFile(join(tree, 'DEBIAN', 'control'), control(name));
    execFileSync('dpkg-deb', ['--build', '--root-owner-group', tree, join(spool, `${name}.deb`)]);
  }
  const input = script(
    packageFunctions.replaceAll(PACKAGE_SPOOL, spool) +
      noJournal +
      'apt() { for word; do case $word in *.deb) echo "${word##*/}" ;; esac; done; }',
    [call('install_files')],
  );
  const run = (): string => {
    const env = { ...process.env, DPKG_ADMINDIR: records };
    const { status, stderr } = spawnSync('sh', ['-s'], { input, env, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stderr;
  };
  return { spool, run };
}

test('a package that was killed while it was unpacked is installed from its file again; a whole one is left out', async (t) => {
  const { spool, run } = await onHost(t, {
    absent: '',
    killed: 'reinstreq half-installed',
    unpacked: 'ok unpacked',
    whole: 'ok installed',
  });
  assert.deepEqual(run().trim().split('\n'), ['absent.deb', 'killed.deb', 'unpacked.deb']);
  await assert.rejects(readdir(spool), { code: 'ENOENT' });
});

test('when every package is whole, nothing is installed', async (t) => {
  const { run } = await onHost(t, { whole: 'ok installed' });
  assert.equal(run(), '');
});

test('a package whose session is gone while it is set up lacks nothing of it in the end', async (t) => {
  const link = join(await temporaryDirectory(t), 'multi-user.target.wants');
  const input = script(
    packageFunctions +
      noJournal +
      // What a maintainer script does about its unit; systemctl says so and is not looked after.
      'apt() { [ "$1" != install ] || { sleep 1; sh -c \'echo Created "$1"; : >"$1"\' sh "$LINK" || true; }; }',
    ['echo begun', call('install_online', 'haproxy')],
  );
  const child = spawn('sh', ['-s'], { env: { ...process.env, LINK: link } });
  child.stdin.end(input);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  child.stderr.destroy();
  await once(child, 'exit');
  await access(link);
});

test('who finds another program at the packages waits for its turn, and says so', async (t) => {
  const records = await temporaryDirectory(t);
  await mkdir(join(records, 'info'));
  await mkdir(join(records, 'updates'));
  await writeFile(join(records, 'status'), '');
  // As dpkg holds it.
  const holder = `import fcntl, time
lock = open("${records}/lock", "w"); fcntl.lockf(lock, fcntl.LOCK_EX); print("held", flush=True); time.sleep(3)`;
  const other = spawn('python3', ['-c', holder]);
  await once(other.stdout, 'data');
  const { status, stdout, stderr } = spawnSync('sh', ['-s'], {
    input: script(packageFunctions + noJournal, [call('finish_interrupted'), 'echo done']),
    env: { ...process.env, DPKG_ADMINDIR: records, LC_ALL: 'C' },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'waiting for another program that is at the packages of this host, since 0 s\ndone\n');
});

test('what an interrupted run left half done is told apart from another program at work', () => {
  const run = (said: string): string => {
    const calls = ['sleep() { :; }', `dpkg() { echo "${said}" >&2; return 2; }`, call('finish_interrupted')];
    const { status, stderr } = spawnSync('sh', ['-s'], { input: script(packageFunctions, calls), encoding: 'utf8' });
    assert.equal(status, 1);
    return stderr.trim().split('\n').at(-1) ?? '';
  };
  const locked = 'dpkg: error: dpkg frontend lock was locked by another process with pid 1';
  assert.equal(run(locked), `another program has had the packages of this host for 600 s: ${locked}`);
  assert.equal(run('dpkg: error processing package x'), 'dpkg cannot finish what an interrupted run left half done');
});

test('a package is not taken for whole while the journal of a dpkg that was killed stands open', async (t) => {
  const directory = await temporaryDirectory(t);
  const updates = join(directory, 'updates');
  await mkdir(updates);
  const control = 'Package: curl\nMaintainer: x <x@example.org>\nArchitecture: all\nVersion: 1.0\nDescription: x\n';
  await writeFile(join(directory, 'status'), `${control}Status: install ok installed\n`);
  const observed = (): string =>
    execFileSync('sh', ['-s'], {
      input: script(observeFunctions, [call('package', '0', 'curl')]),
      env: { ...process.env, DPKG_ADMINDIR: directory },
      encoding: 'utf8',
    });
  assert.match(observed(), /^package 0 yes$/m);
  await writeFile(join(updates, '0001'), `${control}Status: install ok installed\n`);
  assert.match(observed(), /^package 0 no$/m);
});
