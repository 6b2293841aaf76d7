import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ResolvedContent } from '../../activities/content.js';
import { applyHostState, planHostState } from '../../activities/host-state/apply-host-state.js';
import type { ApplyOptions } from '../../activities/host-state/apply.js';
import { withText } from '../../activities/host-state/content.js';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import type { RemoteError } from '../../activities/ssh/errors.js';
import { nothing, type DesiredFile, type HostState } from '../../cluster/desired-state.js';
import { eventually, startSshd } from '../ssh/loopback-sshd.js';

const sshd = await startSshd();
const pool = new SshPool({ hosts: () => sshd.target });
test.after(async () => {
  await pool.close();
  await sshd.stop();
});
const host = pool.host('node01');
const owner = execFileSync('sh', ['-c', 'echo "$(id -un):$(id -gn)"'], { encoding: 'utf8' }).trim();

/** Bytes by the name of an artifact. */
const artifacts = new Map<string, ResolvedContent>();
const options: ApplyOptions = {
  content: withText({
    resolve: (content) => {
      const found = content.kind === 'artifact' ? artifacts.get(content.artifact.artifact) : undefined;
      return found === undefined ? Promise.reject(new Error('no such content')) : Promise.resolve(found);
    },
  }),
  packages: { kind: 'distribution' },
  journal: { directory: join(sshd.directory, 'undo'), cluster: 'test' },
};

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "ha-kubernetes it's a host "));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const text = (path: string, content: string, mode = 0o644): DesiredFile => ({
  path,
  mode,
  owner,
  content: { kind: 'text', text: content },
});
const stateOf = (state: Partial<HostState>): HostState => ({ ...nothing, ...state });
const apply = async (state: Partial<HostState>): Promise<string[]> =>
  (await applyHostState(host, stateOf(state), options)).changes.map(({ kind, what, why }) => `${kind} ${what}: ${why}`);
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

test('files and directories come into being with content, mode and owner, and parents can be read', () =>
  inDirectory(async (directory) => {
    const changes = await apply({
      directories: [{ path: join(directory, 'secret'), mode: 0o700, owner }],
      files: [text(join(directory, 'secret/key'), 'k\n', 0o600), text(join(directory, 'a/b/c.conf'), 'ünï\n', 0o755)],
    });
    assert.equal(changes.length, 3);
    assert.equal(await readFile(join(directory, 'secret/key'), 'utf8'), 'k\n');
    assert.equal(await readFile(join(directory, 'a/b/c.conf'), 'utf8'), 'ünï\n');
    assert.deepEqual(
      await Promise.all(
        ['secret', 'secret/key', 'a', 'a/b', 'a/b/c.conf'].map((path) => modeOf(join(directory, path))),
      ),
      [0o700, 0o600, 0o755, 0o755, 0o755],
    );
  }));

test('a file of another account is given to it', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'theirs');
    await apply({ files: [{ ...text(path, 'x', 0o640), owner: 'nobody:nogroup' }] });
    const { uid, gid } = await stat(path);
    assert.deepEqual([uid, gid], [65534, 65534]);
  }));

test('the second apply changes nothing and touches nothing', () =>
  inDirectory(async (directory) => {
    const hosts = join(directory, 'hosts');
    await writeFile(hosts, '127.0.0.1 localhost\n');
    const state = {
      directories: [{ path: join(directory, 'd'), mode: 0o750, owner }],
      files: [
        text(join(directory, 'd/a'), 'a'),
        text(join(directory, 'empty'), ''),
        { ...text(hosts, ''), content: { kind: 'block', text: '10.0.0.1 master01' } } as const,
      ],
    };
    assert.equal((await apply(state)).length, 4);
    const times = async (): Promise<number[]> =>
      Promise.all(['d', 'd/a', 'empty', 'hosts'].map(async (path) => (await stat(join(directory, path))).ctimeMs));
    const before = await times();
    assert.deepEqual(await apply(state), []);
    assert.deepEqual(await times(), before);
  }));

test('the plan is what the next apply does, and changes nothing itself', () =>
  inDirectory(async (directory) => {
    const state = stateOf({ files: [text(join(directory, 'a'), 'a')] });
    const plan = await planHostState(host, state, options);
    assert.deepEqual(await readdir(directory), []);
    assert.deepEqual((await applyHostState(host, state, options)).changes, plan);
    assert.deepEqual(await planHostState(host, state, options), []);
  }));

test('what was changed by hand is named and mended, and nothing else', () =>
  inDirectory(async (directory) => {
    const [a, b, c] = [join(directory, 'a'), join(directory, 'b'), join(directory, 'c')];
    const state = { files: [text(a, 'a'), text(b, 'b', 0o600), text(c, 'c')] };
    await apply(state);
    await writeFile(a, 'A');
    await chmod(b, 0o644);
    const untouched = (await stat(c)).ctimeMs;
    assert.deepEqual(await apply(state), [`file ${a}: content differs`, `file ${b}: mode 0644, wanted 0600`]);
    assert.equal(await readFile(a, 'utf8'), 'a');
    assert.equal(await modeOf(b), 0o600);
    assert.equal((await stat(c)).ctimeMs, untouched);
  }));

test('a symbolic link is replaced, and what it led to is left alone', () =>
  inDirectory(async (directory) => {
    const [target, link] = [join(directory, 'target'), join(directory, 'link')];
    await writeFile(target, 'theirs');
    await symlink(target, link);
    assert.deepEqual(await apply({ files: [text(link, 'ours')] }), [`file ${link}: not a regular file`]);
    assert.ok((await lstat(link)).isFile());
    assert.equal(await readFile(target, 'utf8'), 'theirs');
  }));

test('fails for good where a directory stands in the place of a file', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'a');
    await mkdir(path);
    await assert.rejects(apply({ files: [text(path, 'a')] }), (error: RemoteError) => {
      assert.match(error.message, /is a directory and should be a file; move it away$/);
      assert.equal(error.retryable, false);
      return true;
    });
  }));

test('fails with the name of the account that a file is for but that does not exist', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'a');
    await assert.rejects(apply({ files: [{ ...text(path, 'a'), owner: 'nosuch:nosuch' }] }), /owner nosuch:nosuch/);
    assert.equal(existsSync(path), false);
  }));

for (const [title, before, after] of [
  ['an empty file', '', '# BEGIN ha-kubernetes\nx\ny\n# END ha-kubernetes\n'],
  ['lines before it', 'a\n\nb\n\n', 'a\n\nb\n\n# BEGIN ha-kubernetes\nx\ny\n# END ha-kubernetes\n'],
  ['no newline at the end', 'a', 'a\n# BEGIN ha-kubernetes\nx\ny\n# END ha-kubernetes\n'],
  [
    'an old block in the middle',
    'a\n# BEGIN ha-kubernetes\nold\n# END ha-kubernetes\nb\n',
    'a\nb\n# BEGIN ha-kubernetes\nx\ny\n# END ha-kubernetes\n',
  ],
] as const) {
  test(`a block goes into a file of the host with ${title}, which keeps its mode`, () =>
    inDirectory(async (directory) => {
      const path = join(directory, 'hosts');
      await writeFile(path, before, { mode: 0o640 });
      await apply({ files: [{ ...text(path, '', 0o644), content: { kind: 'block', text: 'x\ny' } }] });
      assert.equal(await readFile(path, 'utf8'), after);
      assert.equal(await modeOf(path), 0o640);
    }));
}

test('fails for good on a block without its end, rather than to take the rest of the file for it', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'hosts');
    await writeFile(path, '# BEGIN ha-kubernetes\nx\nprecious\n');
    const file: DesiredFile = { ...text(path, ''), content: { kind: 'block', text: 'y' } };
    await assert.rejects(apply({ files: [file] }), { retryable: false });
    assert.equal(await readFile(path, 'utf8'), '# BEGIN ha-kubernetes\nx\nprecious\n');
  }));

test('files with any names and contents arrive as they are', async () => {
  const fileName = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    .filter((name) => !/[\0/]/.test(name) && name !== '.' && name !== '..' && Buffer.from(name).toString() === name);
  const nasty = fc.constantFrom("'", '"', '$HOME', '`id`', '-rf', 'a b', 'a\nb', '*', '\\', '%s', 'ü', '!', '#', ' ');
  const files = fc.uniqueArray(fc.tuple(fc.oneof(fileName, nasty), fc.uint8Array({ maxLength: 3000 })), {
    minLength: 1,
    maxLength: 8,
    // Names that a file system keeps apart.
    selector: ([name]) => Buffer.from(name).toString('hex'),
  });
  await fc.assert(
    fc.asyncProperty(files, (entries) =>
      inDirectory(async (directory) => {
        for (const [name, bytes] of entries) artifacts.set(name, inMemory(Buffer.from(bytes)));
        const state = {
          files: entries.map(([name]): DesiredFile => ({
            ...text(`${directory}/${name}`, ''),
            content: { kind: 'artifact', artifact: { artifact: name } },
          })),
        };
        assert.equal((await apply(state)).length, entries.length);
        assert.deepEqual(await apply(state), []);
        for (const [name, bytes] of entries)
          assert.deepEqual(await readFile(`${directory}/${name}`), Buffer.from(bytes));
        assert.equal((await readdir(directory)).length, entries.length);
      }),
    ),
    { numRuns: 20 },
  );
});

function inMemory(bytes: Buffer): ResolvedContent {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, open: () => bytes };
}

test('a file that arrives damaged never gets its name', () =>
  inDirectory(async (directory) => {
    artifacts.set('damaged', { ...inMemory(Buffer.from('good')), open: () => Buffer.from('evil') });
    const path = join(directory, 'a');
    const file: DesiredFile = { ...text(path, ''), content: { kind: 'artifact', artifact: { artifact: 'damaged' } } };
    await assert.rejects(apply({ files: [file] }), /node01: .* failed: .*a arrived damaged$/);
    assert.equal(existsSync(path), false);
  }));

test('a content that breaks off on the worker fails with its own error, and no file gets its name', () =>
  inDirectory(async (directory) => {
    function* broken(): Generator<Buffer> {
      yield Buffer.alloc(1000);
      throw new Error('cache disk gone');
    }
    artifacts.set('broken', { sha256: '0'.repeat(64), size: 5000, open: () => Readable.from(broken()) });
    const path = join(directory, 'a');
    const file: DesiredFile = { ...text(path, ''), content: { kind: 'artifact', artifact: { artifact: 'broken' } } };
    await assert.rejects(apply({ files: [file] }), /cache disk gone/);
    assert.equal(existsSync(path), false);
  }));

test('a transfer that is cut in the middle leaves no partial file under its name, and the next apply clears up', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'binary');
    await writeFile(path, 'old');
    const bytes = randomBytes(4 * 1024 * 1024);
    async function* stalling(): AsyncGenerator<Buffer> {
      yield bytes.subarray(0, bytes.length / 2);
      await new Promise(() => undefined);
    }
    const whole = inMemory(bytes);
    artifacts.set('binary', { ...whole, open: () => Readable.from(stalling()) });
    const state = {
      files: [{ ...text(path, '', 0o755), content: { kind: 'artifact', artifact: { artifact: 'binary' } } } as const],
    };
    const other = new SshPool({ hosts: () => sshd.target });
    const killed = assert.rejects(applyHostState(other.host('node01'), stateOf(state), options), {
      kind: 'connection-lost',
    });
    const temporary = join(directory, '.binary.ha-kubernetes-new');
    await eventually(() => existsSync(temporary), 10_000);
    assert.equal(await modeOf(temporary), 0o600);
    await other.close();
    await killed;
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.ok(existsSync(temporary));
    artifacts.set('binary', whole);
    assert.deepEqual(await apply(state), [
      `leftover ${temporary}: left by an interrupted run`,
      `file ${path}: content differs, mode 0644, wanted 0755`,
    ]);
    assert.deepEqual(await readFile(path), bytes);
    assert.deepEqual(await readdir(directory), ['binary']);
  }));

test('what an attempt that was killed had claimed is found and removed by the next one', () =>
  inDirectory(async (directory) => {
    await writeFile(join(directory, '.file.ha-kubernetes-new.4711'), 'half');
    const state = { files: [text(join(directory, 'file'), 'whole')] };
    assert.deepEqual(await apply(state), [
      `leftover ${directory}/.file.ha-kubernetes-new: left by an interrupted run`,
      `file ${directory}/file: does not exist`,
    ]);
    assert.deepEqual(await readdir(directory), ['file']);
    assert.deepEqual(await apply(state), []);
  }));

test('cancellation in the middle of a transfer ends it on the host', () =>
  inDirectory(async (directory) => {
    const abort = new AbortController();
    async function* stalling(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(100_000);
      await new Promise(() => undefined);
    }
    artifacts.set('stalling', { sha256: '0'.repeat(64), size: 200_000, open: () => Readable.from(stalling()) });
    const path = join(directory, 'a');
    const file: DesiredFile = { ...text(path, ''), content: { kind: 'artifact', artifact: { artifact: 'stalling' } } };
    const run = applyHostState(host, stateOf({ files: [file] }), { ...options, signal: abort.signal });
    const cancelled = assert.rejects(run, { kind: 'cancelled' });
    await eventually(() => existsSync(join(directory, '.a.ha-kubernetes-new')), 10_000);
    abort.abort();
    await cancelled;
    const tars = (): string =>
      execFileSync('sh', ['-c', `ps --ppid ${sshd.pid} -o pid= | xargs -n1 pgrep -a -P || true`], { encoding: 'utf8' });
    await eventually(() => tars() === '', 2000);
  }));

test('200 MB in three binaries arrive with bounded memory', (t) =>
  inDirectory(async (directory) => {
    const chunk = randomBytes(1024 * 1024);
    const sizes = [120, 60, 20];
    const files = sizes.map((count, i): DesiredFile => {
      const hash = createHash('sha256');
      for (let n = 0; n < count; n++) hash.update(chunk);
      const open = (): Readable => Readable.from(Array.from({ length: count }, () => chunk));
      artifacts.set(`large${i}`, { sha256: hash.digest('hex'), size: count * chunk.length, open });
      const content = { kind: 'artifact', artifact: { artifact: `large${i}` } } as const;
      return { ...text(join(directory, `large${i}`), '', 0o755), content };
    });
    const before = process.memoryUsage().rss;
    let peak = 0;
    const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
    const started = performance.now();
    assert.equal((await apply({ files })).length, 3);
    const seconds = (performance.now() - started) / 1000;
    clearInterval(sampler);
    t.diagnostic(`200 MiB applied in ${seconds.toFixed(1)} s, RSS +${Math.round((peak - before) / 1e6)} MB`);
    assert.ok(peak - before < 100e6);
    const again = performance.now();
    assert.deepEqual(await apply({ files }), []);
    t.diagnostic(`seen to be right in ${((performance.now() - again) / 1000).toFixed(2)} s`);
  }));

test('a probe is asked until it is true', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'count');
    const command = `echo x >> '${file.replaceAll("'", "'\\''")}'; [ "$(wc -l < '${file.replaceAll("'", "'\\''")}')" -ge 3 ]`;
    await apply({ ready: [{ title: 'three lines', command, timeoutSeconds: 10 }] });
    assert.equal(await readFile(file, 'utf8'), 'x\nx\nx\n');
  }));

test('fails with the title of the probe that does not come true in time, and its last line', async () => {
  const ready = [
    { title: 'true', command: 'true', timeoutSeconds: 1 },
    { title: 'etcd is healthy', command: 'echo a; echo refused >&2; false', timeoutSeconds: 1 },
  ];
  await assert.rejects(apply({ ready }), {
    message: 'node01: verify "etcd is healthy" failed: not true within 1 s: refused',
    retryable: true,
  });
});

test('what mends a probe is done when its time is over, and the next try finds it true', () =>
  inDirectory(async (directory) => {
    const file = `'${join(directory, 'mended').replaceAll("'", "'\\''")}'`;
    const probe = { title: 'mended', command: `test -e ${file}`, timeoutSeconds: 1, mend: `touch ${file}` };
    await assert.rejects(apply({ ready: [probe] }), {
      message: `node01: verify "mended" failed: not true within 1 s; done for the next try: touch ${file}`,
      retryable: true,
    });
    await apply({ ready: [probe] });
  }));

test('fails when a probe hangs', async () => {
  const ready = [{ title: 'hanging', command: 'sleep 60', timeoutSeconds: 1 }];
  await assert.rejects(apply({ ready }), { message: 'node01: verify "hanging" failed: not true within 1 s' });
});

test('a cancelled apply leaves no half-written file, and the next one makes it whole', () =>
  inDirectory(async (directory) => {
    const chunk = randomBytes(1024 * 1024);
    const content = Buffer.concat(Array.from({ length: 4 }, () => chunk));
    const sha256 = createHash('sha256').update(content).digest('hex');
    // Never ends: it is cancelled in the middle of the file.
    async function* stuck(): AsyncGenerator<Buffer> {
      yield chunk;
      await new Promise(() => undefined);
    }
    artifacts.set('cancelled', { sha256, size: content.length, open: () => Readable.from(stuck()) });
    const target = join(directory, 'program');
    const state = stateOf({
      files: [
        text(join(directory, 'a.conf'), 'a'),
        { ...text(target, '', 0o755), content: { kind: 'artifact', artifact: { artifact: 'cancelled' } } },
      ],
    });
    const abort = new AbortController();
    const applying = applyHostState(host, state, { ...options, signal: abort.signal });
    await eventually(() => readdirSync(directory).some((name) => name === '.program.ha-kubernetes-new'), 10_000);
    abort.abort();
    await assert.rejects(applying, (error: RemoteError) => error.kind === 'cancelled');
    assert.deepEqual(readdirSync(directory), []);
    artifacts.set('cancelled', { sha256, size: content.length, open: () => Readable.from([content]) });
    await applyHostState(host, state, options);
    assert.deepEqual(readdirSync(directory).sort(), ['a.conf', 'program']);
  }));
