import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import type { RemoteError } from '../../activities/ssh/errors.js';
import { eventually, startSshd } from './loopback-sshd.js';

const sshd = await startSshd();
const pool = new SshPool({ hosts: () => sshd.target });
test.after(async () => {
  await pool.close();
  await sshd.stop();
});
const host = pool.host('node01');

/** A command that records its process id, ignores its input, and would run for ten minutes. */
const longCommand = (pidFile: string): string => `sleep 600 & echo $! > '${pidFile}'; wait`;
const pidIn = (file: string): number => Number(readFileSync(file, 'utf8'));
/** A zombie has ended; that nobody reaped it yet is a matter of the machine's init. */
const runs = (pid: number): boolean =>
  execFileSync('sh', ['-c', `ps -o stat= -p ${pid} || true`], { encoding: 'utf8' })
    .replace(/^Z.*/, '')
    .trim() !== '';
const hasPid = (file: string) => (): boolean => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n');

test('stdout, stderr, input and quoting go through', async () => {
  const result = await host.run({
    title: 'echo',
    command: `cat; printf "it's \\"%s\\"" '$HOME' >&2`,
    stdin: 'ünïcode\n',
    timeoutMs: 10_000,
  });
  assert.equal(result.stdout, 'ünïcode\n');
  assert.equal(result.stderr, `it's "$HOME"`);
});

test('fifty commands at once share one connection without exceeding its sessions', async () => {
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, i) => host.run({ title: 'count', command: `echo ${i}`, timeoutMs: 20_000 })),
  );
  assert.deepEqual(
    results.map(({ stdout }) => Number(stdout)),
    Array.from({ length: 50 }, (_, i) => i),
  );
  const sessions = execFileSync('ps', ['--ppid', String(sshd.pid), '-o', 'pid='], { encoding: 'utf8' });
  assert.equal(sessions.trim().split('\n').length, 1);
});

test('an exit code is an error that says what was done and the last line of stderr', async () => {
  const run = host.run({
    title: 'write the file',
    command: 'echo a; echo b >&2; echo c >&2; exit 3',
    timeoutMs: 10_000,
  });
  await assert.rejects(run, (error: RemoteError) => {
    assert.equal(error.message, 'node01: write the file failed: c');
    assert.equal(error.kind, 'exit');
    assert.equal(error.exitCode, 3);
    assert.equal(error.output, 'a\n\nb\nc\n');
    assert.equal(error.retryable, true);
    return true;
  });
});

test('lines are handed out while the command runs, and only the end of a long output is kept', async () => {
  const lines: string[] = [];
  const result = await host.run({
    title: 'count',
    command: 'seq 1 100000',
    timeoutMs: 20_000,
    maxOutputBytes: 1000,
    onStdoutLine: (line) => lines.push(line),
  });
  assert.equal(lines.length, 100_000);
  assert.equal(result.stdout.length, 1000);
  assert.ok(result.truncated);
  assert.ok(result.stdout.endsWith('99999\n100000\n'));
});

test('a command past its deadline is killed on the host', async () => {
  const pidFile = join(sshd.directory, 'timeout.pid');
  const run = host.run({ title: 'wait', command: longCommand(pidFile), timeoutMs: 1000 });
  await assert.rejects(run, { kind: 'timeout', message: 'node01: wait did not end within 1 s' });
  assert.equal(runs(pidIn(pidFile)), false);
});

test('cancellation kills the command on the host', async () => {
  const pidFile = join(sshd.directory, 'cancel.pid');
  const abort = new AbortController();
  const run = host.run({ title: 'wait', command: longCommand(pidFile), timeoutMs: 60_000, signal: abort.signal });
  const rejected = assert.rejects(run, { kind: 'cancelled', message: 'node01: wait was cancelled' });
  await eventually(hasPid(pidFile), 5000);
  const cancelledAt = performance.now();
  abort.abort();
  await rejected;
  assert.ok(performance.now() - cancelledAt < 5000, 'without SIGKILL, which comes after five seconds');
  assert.equal(runs(pidIn(pidFile)), false);
});

test('cancellation also ends a command that ignores SIGTERM', async () => {
  const pidFile = join(sshd.directory, 'stubborn.pid');
  const abort = new AbortController();
  const command = `trap '' TERM; echo $$ > '${pidFile}'; while :; do sleep 0.2; done`;
  const run = host.run({ title: 'resist', command, timeoutMs: 60_000, signal: abort.signal });
  const rejected = assert.rejects(run, { kind: 'cancelled' });
  await eventually(hasPid(pidFile), 5000);
  abort.abort();
  await rejected;
  assert.equal(runs(pidIn(pidFile)), false);
});

test('a signal that is aborted already starts nothing', async () => {
  const file = join(sshd.directory, 'never');
  const run = host.run({ title: 'touch', command: `touch '${file}'`, timeoutMs: 5000, signal: AbortSignal.abort() });
  await assert.rejects(run, { kind: 'cancelled' });
  assert.equal(existsSync(file), false);
});

test('a connection lost in the middle is an unknown outcome, the host ends the command, and the next run reconnects', async () => {
  const pidFile = join(sshd.directory, 'lost.pid');
  const run = host.run({ title: 'wait', command: longCommand(pidFile), timeoutMs: 60_000 });
  const rejected = assert.rejects(run, (error: RemoteError) => {
    assert.equal(error.kind, 'connection-lost');
    assert.match(error.message, /node01: wait: .*outcome is unknown/);
    assert.equal(error.retryable, true);
    return true;
  });
  await eventually(hasPid(pidFile), 5000);
  const session = execFileSync('ps', ['--ppid', String(sshd.pid), '-o', 'pid='], { encoding: 'utf8' });
  process.kill(Number(session.trim()), 'SIGKILL');
  await rejected;
  await eventually(() => !runs(pidIn(pidFile)), 4000);
  assert.equal((await host.run({ title: 'echo', command: 'echo back', timeoutMs: 5000 })).stdout, 'back\n');
});

test('a closed pool leaves no command behind on the host', async () => {
  const pidFile = join(sshd.directory, 'closed.pid');
  const other = new SshPool({ hosts: () => sshd.target });
  const run = other.run('node01', { title: 'wait', command: longCommand(pidFile), timeoutMs: 60_000 });
  const rejected = assert.rejects(run, { kind: 'connection-lost' });
  await eventually(hasPid(pidFile), 5000);
  await other.close();
  await rejected;
  await eventually(() => !runs(pidIn(pidFile)), 4000);
});

test('an idle connection is closed, and opened again when needed', async () => {
  const sessions = (): string =>
    execFileSync('sh', ['-c', `ps --ppid ${sshd.pid} -o pid= || true`], { encoding: 'utf8' });
  const other = new SshPool({ hosts: () => sshd.target, idleMs: 100 });
  const before = sessions().split('\n').length;
  const echo = { title: 'echo', command: 'echo 1', timeoutMs: 5000 };
  await other.run('node01', echo);
  assert.equal(sessions().split('\n').length, before + 1);
  await eventually(() => sessions().split('\n').length === before, 5000);
  assert.equal((await other.run('node01', echo)).stdout, '1\n');
  await other.close();
});

test('a failing input stream fails the run with its own error and ends the command', async () => {
  const source = new Readable({ read: () => undefined });
  const pidFile = join(sshd.directory, 'source.pid');
  const command = `echo $$ > '${pidFile}'; exec cat`;
  const run = host.run({ title: 'receive', command, stdin: source, timeoutMs: 20_000 });
  const rejected = assert.rejects(run, { message: 'disk gone' });
  await eventually(hasPid(pidFile), 5000);
  source.destroy(new Error('disk gone'));
  await rejected;
  assert.equal(runs(pidIn(pidFile)), false);
});

test('a command that does not read its input to the end is judged by its exit code alone', async () => {
  const stdin = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(64 * 1024)));
  const result = await host.run({ title: 'ignore', command: 'echo done', stdin, timeoutMs: 20_000 });
  assert.equal(result.stdout, 'done\n');
});

test('200 MB of input go through at a bounded memory, at the pace of a slow reader', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024, 7);
  function* chunks(): Generator<Buffer> {
    for (let i = 0; i < 200; i++) yield chunk;
  }
  const before = process.memoryUsage().rss;
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  // The reader starts late, so that a sender without backpressure would have to hold all of it.
  const { stdout, durationMs } = await host.run({
    title: 'receive',
    command: 'sleep 1; wc -c',
    stdin: Readable.from(chunks()),
    timeoutMs: 120_000,
  });
  clearInterval(sampler);
  assert.equal(Number(stdout), 200 * chunk.length);
  const grown = Math.round((peak - before) / 1e6);
  t.diagnostic(`200 MiB in ${Math.round(durationMs - 1000)} ms, RSS +${grown} MB (peak ${Math.round(peak / 1e6)} MB)`);
  assert.ok(grown < 100, `RSS grew by ${grown} MB`);
});
