import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyHostState } from '../../activities/host-state/apply-host-state.js';
import { withText } from '../../activities/host-state/content.js';
import { readJournal, removeHostState, type RemovalResult } from '../../activities/host-state/removal.js';
import { call, script } from '../../activities/host-state/shell.js';
import {
  journalFunctions,
  openJournal,
  traceCalls,
  type UndoJournal,
} from '../../activities/host-state/undo-journal.js';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import { quote } from '../../activities/ssh/remote-command.js';
import { encodeName } from '../../cluster/undo.js';
import { noTraces, nothing, type DesiredFile, type HostState, type Traces } from '../../cluster/desired-state.js';
import { eventually, startSshd } from '../ssh/loopback-sshd.js';

const sshd = await startSshd();
const pool = new SshPool({ hosts: () => sshd.target });
test.after(async () => {
  await pool.close();
  await sshd.stop();
});
const host = pool.host('node01');
const owner = execFileSync('sh', ['-c', 'echo "$(id -un):$(id -gn)"'], { encoding: 'utf8' }).trim();

/** A host's disk, less what nobody means: everything that a deployment writes goes below `root`. */
class Disk {
  readonly root: string;
  readonly journal: UndoJournal;

  constructor(directory: string) {
    this.root = join(directory, "it's a root");
    this.journal = { directory: join(directory, 'var/undo'), cluster: 'test' };
  }

  path(name: string): string {
    return join(this.root, name);
  }

  text(name: string, content: string, mode = 0o644): DesiredFile {
    return { path: this.path(name), mode, owner, content: { kind: 'text', text: content } };
  }

  async apply(state: Partial<HostState>): Promise<number> {
    const content = withText({ resolve: () => Promise.reject(new Error('no such content')) });
    const { changes } = await applyHostState(
      host,
      { ...nothing, ...state },
      { content, packages: { kind: 'distribution' }, journal: this.journal },
    );
    return changes.length;
  }

  /** Records what an apply does of a component that has a package, short of installing it. */
  async record({ traces }: { readonly traces: Traces }): Promise<void> {
    const note = `note package ${packages.join()} absent`;
    const calls = [openJournal(this.journal), note, ...traceCalls(traces), 'journal_written'];
    const stdin = script(journalFunctions, calls);
    await host.run({ title: 'record traces', command: 'sh -s', stdin, timeoutMs: 10_000 });
  }

  remove(states: readonly Partial<HostState>[] = [], deleteData = false, stamp = 'now'): Promise<RemovalResult> {
    return removeHostState(
      host,
      states.map((state) => ({ ...nothing, ...state })),
      { journal: this.journal, deleteData, stamp },
    );
  }

  /** Everything below `root`: type, mode, owner, time of files, name, target, content. */
  look(): string {
    const script = `cd "$1" && find . -printf '%y %m %u:%g %p %l' \\( -type f -printf ' %T@' -o -true \\) -printf '\\n' | sort -k4 && find . -type f -exec sha256sum {} + | sort -k2`;
    return execFileSync('sh', ['-c', script, 'sh', this.root], { encoding: 'utf8' });
  }
}

async function onDisk(run: (disk: Disk) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-removal-'));
  const disk = new Disk(directory);
  await mkdir(disk.root);
  try {
    await run(disk);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A package that nobody has: a component with a package or a unit in the journal is one that may have left traces. */
const packages = ['ha-kubernetes-none'];

test('a removal takes away what was made, gives back what was replaced, and a second one has nothing to do', () =>
  onDisk(async (disk) => {
    await mkdir(disk.path('etc'));
    await writeFile(disk.path('etc/hosts'), '127.0.0.1 localhost\n\nfe80::1 router', { mode: 0o640 });
    await writeFile(disk.path('etc/replaced'), 'theirs\n');
    await chmod(disk.path('etc/replaced'), 0o4750);
    execFileSync('chown', ['nobody:nogroup', disk.path('etc/replaced')]);
    await utimes(disk.path('etc/replaced'), 1_000_000_000, 1_000_000_000);
    await symlink('/nowhere/at/all', disk.path('etc/link'));
    await mkdir(disk.path('theirs'), { mode: 0o711 });
    const before = disk.look();

    const state = {
      directories: [
        { path: disk.path('var/lib/ours'), mode: 0o700, owner },
        { path: disk.path('theirs'), mode: 0o750, owner: 'nobody:nogroup' },
      ],
      files: [
        disk.text('etc/replaced', 'ours\n'),
        disk.text('etc/link', 'ours\n'),
        disk.text('var/lib/ours/config', 'ours\n', 0o600),
        disk.text('opt/new/deep/file name\n*', 'ours\n'),
        { ...disk.text('etc/hosts', ''), content: { kind: 'block', text: '10.0.0.1 master01' } } as const,
        { ...disk.text('etc/fresh', ''), content: { kind: 'block', text: 'x' } } as const,
      ],
    };
    assert.ok((await disk.apply(state)) > 0);
    // What a program leaves in a directory of ours, and what a person did to a file of ours.
    await writeFile(disk.path('var/lib/ours/cache'), 'x');
    await writeFile(disk.path('etc/replaced'), 'edited\n');
    assert.notEqual(disk.look(), before);

    const { changed, kept } = await disk.remove([state]);
    assert.ok(changed > 0);
    assert.deepEqual(kept, []);
    assert.equal(disk.look(), before);
    assert.ok(!existsSync(join(disk.journal.directory, '..')), 'the journal and its directory are gone');
    assert.deepEqual(await disk.remove([state]), { changed: 0, kept: [], unknown: [] });
  }));

test('what an earlier apply replaced is what comes back, not what the last one replaced', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('a'), 'theirs');
    const before = disk.look();
    await disk.apply({ files: [disk.text('a', 'one')] });
    await disk.apply({ files: [disk.text('a', 'two'), disk.text('b', 'two')] });
    await writeFile(disk.path('b'), 'edited');
    await disk.apply({ files: [disk.text('a', 'three'), disk.text('b', 'three')] });
    await disk.remove();
    assert.equal(disk.look(), before);
  }));

test('components of one host that are applied at once record what was there before all of them', () =>
  onDisk(async (disk) => {
    await mkdir(disk.path('etc'));
    const before = disk.look();
    const component = (i: number): Partial<HostState> => ({
      directories: i % 2 === 0 ? [{ path: disk.path('etc/common'), mode: 0o755, owner }] : [],
      files: [disk.text(`etc/common/${i}`, 'own')],
    });
    const components = [0, 1, 2, 3, 4, 5].map(component);
    await Promise.all(components.map((state) => disk.apply(state)));
    await writeFile(disk.path('etc/common/left'), 'by a program');
    await disk.remove(components);
    assert.equal(disk.look(), before);
  }));

test('a directory that was made in passing goes with all that is in it, once a component has asked for it', () =>
  onDisk(async (disk) => {
    await mkdir(disk.path('etc'));
    const before = disk.look();
    const asks = { directories: [{ path: disk.path('etc/common'), mode: 0o755, owner }] };
    await disk.apply({ files: [disk.text('etc/common/file', 'ours')] });
    assert.equal(await disk.apply(asks), 0);
    await writeFile(disk.path('etc/common/left'), 'by a program');
    await disk.remove([asks]);
    assert.equal(disk.look(), before);
  }));

test('of scripts that replace one file at once, none takes what another has written for what was there before', () =>
  onDisk(async (disk) => {
    const path = disk.path('shared');
    await writeFile(path, 'theirs');
    const before = disk.look();
    const replace = (): string =>
      script(journalFunctions, [
        openJournal(disk.journal),
        call('note_file', 'file', encodeName(path), path),
        'journal_written',
        `echo ours | tee ${quote(path)}`,
      ]);
    await Promise.all(
      [0, 1, 2, 3, 4, 5].map(() =>
        host.run({ title: 'replace', command: 'sh -s', stdin: replace(), timeoutMs: 30_000 }),
      ),
    );
    assert.equal(await readFile(path, 'utf8'), 'ours\n');
    await disk.remove();
    assert.equal(disk.look(), before);
  }));

test('lines that others have written around ours since the deployment stay', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('hosts'), 'a\n');
    await disk.apply({ files: [{ ...disk.text('hosts', ''), content: { kind: 'block', text: 'ours' } }] });
    await writeFile(disk.path('hosts'), `first\n${await readFile(disk.path('hosts'), 'utf8')}last\n`, { mode: 0o644 });
    await chmod(disk.path('hosts'), 0o600);
    await disk.remove();
    assert.equal(await readFile(disk.path('hosts'), 'utf8'), 'first\na\nlast\n');
    assert.equal((await stat(disk.path('hosts'))).mode & 0o777, 0o600);
  }));

test('a file of somebody else in a directory that was made in passing stays, and so does the directory', () =>
  onDisk(async (disk) => {
    await disk.apply({ files: [disk.text('opt/bin/ours', 'x')] });
    await writeFile(disk.path('opt/bin/theirs'), 'y');
    await disk.remove();
    assert.ok(existsSync(disk.path('opt/bin/theirs')));
    assert.ok(!existsSync(disk.path('opt/bin/ours')));
  }));

test('what programs leave goes, and what was there before their first start stays', () =>
  onDisk(async (disk) => {
    await mkdir(disk.path('mount-point'));
    await mkdir(disk.path('full'));
    await writeFile(disk.path('full/theirs'), 'x');
    const before = disk.look();
    const traces: Traces = {
      ...noTraces,
      paths: ['mount-point', 'full', 'run/state', 'lib/made'].map((name) => disk.path(name)),
      cleanups: [{ title: 'say so', command: `echo gone > '${disk.path('said').replaceAll("'", "'\\''")}'` }],
    };
    const state = { packages, traces };
    await disk.record(state);
    await mkdir(disk.path('run/state/deep'), { recursive: true });
    await mkdir(disk.path('lib/made'), { recursive: true });
    await writeFile(disk.path('mount-point/layer'), 'x');
    await disk.remove([state]);
    assert.equal(await readFile(disk.path('said'), 'utf8'), 'gone\n');
    await rm(disk.path('said'));
    assert.equal(disk.look(), before);
  }));

test('data is put aside under one name however often the removal is tried, and deleted if it is told to', () =>
  onDisk(async (disk) => {
    const data = disk.path('etcd/member');
    const directories = [{ path: disk.path('etcd'), mode: 0o700, owner }];
    const state = {
      packages,
      traces: { ...noTraces, data: [{ name: 'etcd', path: data }] },
    };
    const deployed = async (): Promise<void> => {
      await disk.apply({ directories });
      await disk.record(state);
      await mkdir(data);
      await writeFile(join(data, 'db'), 'precious', { mode: 0o600 });
    };
    const broken = { ...state, traces: { ...state.traces, cleanups: [{ title: 'do it', command: 'false' }] } };
    const before = disk.look();

    await deployed();
    await assert.rejects(disk.remove([broken], false, 'one'), /cannot do it/);
    const { kept } = await disk.remove([state], false, 'one');
    const place = join(disk.journal.directory, '../kept/test/one/etcd');
    assert.deepEqual(kept, [place]);
    assert.equal(await readFile(join(place, 'member/db'), 'utf8'), 'precious');
    assert.equal(disk.look(), before);
    assert.deepEqual(await disk.remove([state], false, 'two'), { changed: 0, kept: [], unknown: [] });

    await deployed();
    await disk.remove([state], true, 'three');
    assert.equal(disk.look(), before);
    assert.ok(!existsSync(join(disk.journal.directory, '..')), 'what was put aside earlier is gone, too');
  }));

test('a removal that is killed anywhere is finished by the next one', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('replaced'), 'theirs', { mode: 0o640 });
    const before = disk.look();
    const gate = disk.path('gate').replaceAll("'", "'\\''");
    await disk.apply({
      directories: [{ path: disk.path('ours'), mode: 0o755, owner }],
      files: [disk.text('replaced', 'ours'), disk.text('ours/a', 'a'), disk.text('b', 'b')],
    });
    const state = {
      packages,
      traces: { ...noTraces, cleanups: [{ title: 'wait', command: `: > '${gate}'; sleep 60` }] },
    };
    await disk.record(state);
    const abort = new AbortController();
    const killed = assert.rejects(
      removeHostState(host, [{ ...nothing, ...state }], {
        journal: disk.journal,
        deleteData: false,
        stamp: 'now',
        signal: abort.signal,
      }),
      { kind: 'cancelled' },
    );
    await eventually(() => existsSync(disk.path('gate')), 10_000);
    abort.abort();
    await killed;
    await rm(disk.path('gate'));
    // As if it had been killed after half of its work.
    await rm(disk.path('ours/a'));
    await rm(disk.path('b'));
    await writeFile(disk.path('.replaced.ha-kubernetes-new'), 'half');
    await disk.remove();
    assert.equal(disk.look(), before);
  }));

test('a removal that is killed when only tidying up was left is finished, too, and changed nothing', () =>
  onDisk(async (disk) => {
    await mkdir(`${disk.journal.directory}.done`, { recursive: true });
    assert.deepEqual(await disk.remove(), { changed: 0, kept: [], unknown: [] });
    assert.ok(!existsSync(join(disk.journal.directory, '..')));
  }));

test('a host of another cluster is left alone', () =>
  onDisk(async (disk) => {
    await disk.apply({ files: [disk.text('a', 'x')] });
    const deployed = disk.look();
    const other = { directory: disk.journal.directory, cluster: 'other' };
    assert.equal((await readJournal(host, other)).cluster, 'test');
    await assert.rejects(removeHostState(host, [], { journal: other, deleteData: true, stamp: 'now' }), {
      message: 'node01: is part of cluster test, not of other',
      retryable: false,
    });
    assert.equal(disk.look(), deployed);
  }));

test('the journal and the copies in it are for root alone', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('key'), 'secret', { mode: 0o644 });
    await disk.apply({ files: [disk.text('key', 'x')] });
    for (const directory of [disk.journal.directory, join(disk.journal.directory, 'files')]) {
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
    }
  }));

test('what a killed apply left half done in the journal goes with the next one', () =>
  onDisk(async (disk) => {
    await mkdir(disk.journal.directory, { recursive: true, mode: 0o700 });
    // No process has so high a number (PID_MAX_LIMIT in the kernel's threads.h).
    await writeFile(join(disk.journal.directory, 'copy.4194305'), 'half');
    await disk.apply({ files: [disk.text('a', 'x')] });
    assert.deepEqual((await readdir(disk.journal.directory)).sort(), ['cluster', 'files', 'records']);
  }));

test('fails for good, and says so, when the copy of a file is gone', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('a'), 'theirs');
    await disk.apply({ files: [disk.text('a', 'x')] });
    await rm(join(disk.journal.directory, 'files', disk.path('a')));
    await assert.rejects(disk.remove(), (error: Error & { retryable: boolean }) => {
      assert.match(error.message, /the copy of .* is gone; put .* right, then skip this step/);
      assert.equal(error.retryable, false);
      return true;
    });
  }));

test('a kernel setting that a program changes gets its old value back', () =>
  onDisk(async (disk) => {
    // Any file will do for one: the kernel's own belong to this machine.
    const setting = disk.path('setting');
    await writeFile(setting, '128\n');
    await disk.record({ traces: { ...noTraces, sysctls: [`../..${setting}`, 'no.such.setting'] } });
    await writeFile(setting, '256\n');
    await disk.remove();
    assert.equal(await readFile(setting, 'utf8'), '128\n');
  }));

test('a kernel setting that was empty is empty again', () =>
  onDisk(async (disk) => {
    const setting = disk.path('setting');
    await writeFile(setting, '\n');
    await disk.record({ traces: { ...noTraces, sysctls: [`../..${setting}`] } });
    await writeFile(setting, '20000-50000\n');
    await disk.remove();
    assert.equal(await readFile(setting, 'utf8'), '\n');
  }));

test("a kernel setting is recorded as a whole, whatever the kernel makes of a shell's reading", () =>
  onDisk(async (disk) => {
    await disk.record({ traces: { ...noTraces, sysctls: ['kernel.pid_max'] } });
    const { records } = await readJournal(host, disk.journal);
    const value = (await readFile('/proc/sys/kernel/pid_max', 'utf8')).trim();
    assert.deepEqual(
      records.filter(({ kind }) => kind === 'sysctl'),
      [{ kind: 'sysctl', name: 'kernel.pid_max', fact: value }],
    );
  }));

test('an interrupted apply whose record came first leaves a removal nothing to stumble over', () =>
  onDisk(async (disk) => {
    const before = disk.look();
    await mkdir(disk.journal.directory, { recursive: true, mode: 0o700 });
    await writeFile(join(disk.journal.directory, 'cluster'), 'test\n');
    const names = ['file /nowhere/at/all absent .', 'parent /nowhere absent .', 'path /nowhere/dir absent .'];
    await writeFile(
      join(disk.journal.directory, 'records'),
      `${names.join('\n')}\npackage ha-kubernetes-none absent .\nfile /cut`,
    );
    assert.equal((await disk.remove()).changed, 4);
    assert.equal(disk.look(), before);
    assert.equal(existsSync('/nowhere'), false);
  }));

test('a symbolic link that was replaced is a link again', () =>
  onDisk(async (disk) => {
    await writeFile(disk.path('target'), 'theirs');
    await symlink('target', disk.path('link'));
    await disk.apply({ files: [disk.text('link', 'ours')] });
    assert.ok((await lstat(disk.path('link'))).isFile());
    await disk.remove();
    assert.equal(await readlink(disk.path('link')), 'target');
  }));

test('lines of a journal that nobody of us wrote do not stop a removal, and are told', () =>
  onDisk(async (disk) => {
    const before = disk.look();
    await disk.apply({ files: [disk.text('etc/new', 'ours')] });
    await appendFile(join(disk.journal.directory, 'records'), 'file /etc/50% absent .\npath / absent .\nfile /etc/cu');
    const { changed, unknown } = await disk.remove();
    assert.ok(changed > 0);
    assert.deepEqual(unknown, ['file /etc/50% absent .', 'path / absent .']);
    assert.equal(disk.look(), before);
  }));
