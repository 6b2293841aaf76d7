import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import type { RemoteError } from '../../activities/ssh/errors.js';
import { recordFirstUse } from '../../activities/ssh/first-use.js';
import { hostKeyFromBlob, knownKeysOf } from '../../activities/ssh/known-hosts.js';
import type { SshTarget } from '../../activities/ssh/target.js';
import { eventually, makeKey, startSshd, type LoopbackSshd } from '../ssh/loopback-sshd.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const sshd = await startSshd();
test.after(() => sshd.stop());

async function connectTo(target: SshTarget): Promise<void> {
  const pool = new SshPool({ hosts: () => target });
  try {
    await pool.run(target.name, { title: 'say hello', command: 'true', timeoutMs: 10_000 });
  } finally {
    await pool.close();
  }
}

const refusal = (connecting: Promise<unknown>): Promise<RemoteError> =>
  connecting.then(
    () => assert.fail('it was let in'),
    (error: unknown) => error as RemoteError,
  );

const publicKey = async (file: string): Promise<string> =>
  (await readFile(file, 'utf8')).split(' ').slice(0, 2).join(' ');

async function sshdWith(t: TestContext, ...lines: string[]): Promise<LoopbackSshd> {
  const started = await startSshd(lines);
  t.after(() => started.stop());
  return started;
}

test('known_hosts files let in whom OpenSSH lets in, and refuse whom it refuses', async (t) => {
  const directory = await temporaryDirectory(t);
  const { port } = sshd.target;
  makeKey(join(directory, 'other'), 'ed25519');
  const own = await publicKey(join(sshd.directory, 'host_ed25519.pub'));
  const other = await publicKey(join(directory, 'other.pub'));
  const here = `[127.0.0.1]:${port}`;
  await writeFile(join(directory, 'to-hash'), `${here} ${own}\n`);
  execFileSync('ssh-keygen', ['-H', '-f', join(directory, 'to-hash')], { stdio: 'ignore' });
  const hashed = (await readFile(join(directory, 'to-hash'), 'utf8')).trim();
  const files: readonly string[] = [
    '',
    `${here} ${own}`,
    `${here} ${own}\r`,
    `127.0.0.1 ${own}`,
    `127.0.0.1 ${other}`,
    `${here} ${other}`,
    `* ${own}`,
    `[127.0.0.?]:* ${own}`,
    `[127.0.0.1]:*,!${here} ${own}`,
    `!${here},* ${own}`,
    `* ${other}`,
    hashed,
    `${here} ${own}\n@revoked * ${own}`,
    `${here} ${own}\n@revoked [127.0.0.1]:* ${own}`,
    `${here} ${own}\n@revoked [*]:${port} ${own}`,
    `${here} ${own}\n@revoked *,!${here} ${own}`,
    `${here} ${own}\n@revoked 10.* ${own}`,
    `${here} ${own}\n@revoked * ${other}`,
    `${here} ${own}\n@revoked ${hashed}`,
    `@revoked * ${own}`,
    `@cert-authority * ${own}`,
    `@cert-authority * ${other}\n${here} ${own}`,
    `@unheard-of * ${own}`,
    `@revoked @cert-authority * ${own}\n${here} ${own}`,
  ];
  for (const [index, text] of files.entries()) {
    const knownHostsFile = join(directory, `known_hosts-${index}`);
    await writeFile(knownHostsFile, `${text}\n`, { mode: 0o600 });
    const target: SshTarget = { ...sshd.target, knownHostsFile, hostKeys: 'strict' };
    const ours = await connectTo(target).then(
      () => true,
      () => false,
    );
    assert.equal(ours, opensshConnects(target), text);
  }
});

function opensshConnects(target: SshTarget): boolean {
  const options = [
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${target.knownHostsFile}`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'BatchMode=yes',
    // As we ask a host of which no key is known.
    'HostKeyAlgorithms=ssh-ed25519',
  ].flatMap((option) => ['-o', option]);
  const where = [
    '-F',
    'none',
    '-i',
    target.identityFile,
    '-p',
    String(target.port),
    `${target.user}@${target.address}`,
  ];
  try {
    execFileSync('ssh', [...options, ...where, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('names and patterns of known_hosts match as for ssh-keygen -F', async (t) => {
  const file = join(await temporaryDirectory(t), 'known_hosts');
  const key = await publicKey(join(sshd.directory, 'host_ed25519.pub'));
  const pattern = fc
    .array(fc.constantFrom('[', ']', ':', '1', '0.', '*', '?', 'A', 'a', '.', '22'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join(''));
  const entry = fc.tuple(fc.constantFrom('', '', '!'), pattern).map((parts) => parts.join(''));
  const name = fc.constantFrom('10.0.0.1', '[10.0.0.1]:22', '[10.0.0.1]:2222', 'a.a', '1');
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 3 }), name, async (entries, host) => {
      const text = `${entries.join(',')} ${key}\n`;
      await writeFile(file, text);
      let found = true;
      try {
        execFileSync('ssh-keygen', ['-F', host, '-f', file], { stdio: 'ignore' });
      } catch {
        found = false;
      }
      assert.equal(knownKeysOf(text, host).length > 0, found, text);
    }),
    { numRuns: 300 },
  );
});

test('a revoked key is not recorded for a host that is met for the first time', async (t) => {
  const knownHostsFile = join(await temporaryDirectory(t), 'known_hosts');
  const text = `@revoked * ${await publicKey(join(sshd.directory, 'host_ed25519.pub'))}\n`;
  await writeFile(knownHostsFile, text);
  const { kind, message } = await refusal(connectTo({ ...sshd.target, knownHostsFile }));
  assert.equal(kind, 'host-key');
  assert.match(message, /marked @revoked/);
  assert.equal(await readFile(knownHostsFile, 'utf8'), text);
});

test('of two machines that answer for a new host at once, one is known afterwards and the other one is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const machine of ['honest', 'thief']) makeKey(join(directory, machine), 'ed25519');
  for (let round = 0; round < 5; round++) {
    const knownHostsFile = join(directory, `known_hosts-${round}`);
    const { address, port } = sshd.target;
    const verdicts = await Promise.all(
      ['honest', 'thief'].map(async (machine) => {
        const [, base64 = ''] = (await publicKey(join(directory, `${machine}.pub`))).split(' ');
        return recordFirstUse(knownHostsFile, address, port, hostKeyFromBlob(Buffer.from(base64, 'base64')));
      }),
    );
    assert.deepEqual(verdicts.sort(), ['changed', 'recorded']);
    assert.equal((await readFile(knownHostsFile, 'utf8')).trim().split('\n').length, 1);
  }
});

test('connections that meet a new host at once record its key once', async (t) => {
  const knownHostsFile = join(await temporaryDirectory(t), 'known_hosts');
  await Promise.all(Array.from({ length: 6 }, () => connectTo({ ...sshd.target, knownHostsFile })));
  assert.equal((await readFile(knownHostsFile, 'utf8')).trim().split('\n').length, 1);
});

test('a private key that others can read is refused, with the fix', async (t) => {
  const identityFile = join(await temporaryDirectory(t), "it's a key");
  await writeFile(identityFile, await readFile(sshd.target.identityFile));
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    await chmod(identityFile, mode);
    const { kind, message, retryable } = await refusal(connectTo({ ...sshd.target, identityFile }));
    assert.equal(kind, 'auth');
    assert.equal(retryable, false);
    assert.ok(message.includes(String.raw`chmod go-rwx '`), message);
    const fix = /run: (chmod .*)$/.exec(message)?.[1] ?? '';
    execFileSync('sh', ['-c', fix]);
    await connectTo({ ...sshd.target, identityFile });
  }
});

test('known host keys that others can write, or exchange, are refused, with the fix', async (t) => {
  const directory = await temporaryDirectory(t);
  const knownHostsFile = join(directory, 'known_hosts');
  const target: SshTarget = { ...sshd.target, knownHostsFile };
  await connectTo(target);
  const refused = async (why: RegExp): Promise<void> => {
    const { kind, message, retryable } = await refusal(connectTo(target));
    assert.equal(kind, 'host-key');
    assert.equal(retryable, false);
    assert.match(message, why);
  };
  await chmod(knownHostsFile, 0o666);
  await refused(/mode 0666, so that others can change it; run: chmod go-w '/);
  await chmod(knownHostsFile, 0o644);
  await connectTo(target);
  await chmod(directory, 0o777);
  await refused(/mode 0777, so that others can exchange what is in it/);
  await chmod(directory, 0o700);
  if (process.getuid?.() !== 0) return;
  await chown(directory, 65_534, 65_534);
  await refused(/belongs to user id 65534/);
  await chown(directory, 0, 0);
  await connectTo(target);
});

test('a changed host key, another type only, and SHA-1 signatures are refused for good', async (t) => {
  const directory = await temporaryDirectory(t);
  makeKey(join(directory, 'other'), 'ed25519');
  const known = async (name: string, key: string): Promise<string> => {
    await writeFile(join(directory, name), `[127.0.0.1]:${sshd.target.port} ${key}\n`);
    return join(directory, name);
  };
  const changed = await known('changed', await publicKey(join(directory, 'other.pub')));
  assert.equal((await refusal(connectTo({ ...sshd.target, knownHostsFile: changed }))).kind, 'host-key');
  const rsaOnly = await sshdWith(t, 'HostKeyAlgorithms rsa-sha2-512');
  const typed = join(directory, 'typed');
  await writeFile(typed, `[127.0.0.1]:${rsaOnly.target.port} ${await publicKey(join(directory, 'other.pub'))}\n`);
  assert.equal((await refusal(connectTo({ ...rsaOnly.target, knownHostsFile: typed }))).kind, 'host-key');
  const sha1 = await sshdWith(t, 'HostKeyAlgorithms ssh-rsa');
  const { kind, message, retryable } = await refusal(connectTo(sha1.target));
  assert.equal(kind, 'algorithms');
  assert.equal(retryable, false);
  assert.match(message, /no host key format in common; the host offers ssh-rsa;.*HostKeyAlgorithms/);
});

test('SHA-1 MACs are not agreed to', async (t) => {
  const weak = await sshdWith(t, 'Ciphers aes128-ctr', 'MACs hmac-sha1,hmac-sha1-etm@openssh.com');
  const { kind, message } = await refusal(connectTo(weak.target));
  assert.equal(kind, 'algorithms');
  assert.match(message, /no C->S MAC in common; the host offers hmac-sha1, hmac-sha1-etm@openssh.com; add .* to MACs/);
});

/** Leaves its session by setsid, ignores SIGTERM, writes its pid into a file, and would run for a minute. */
const daemon = (pidFile: string): string =>
  `setsid sh -c 'trap "" TERM; echo $$ > ${pidFile}; while :; do sleep 0.2; done' </dev/null >/dev/null 2>&1 &`;
const pidIn = async (file: string): Promise<number> => {
  await eventually(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'), 5000);
  return Number(readFileSync(file, 'utf8'));
};
const runs = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('a command that ignores SIGTERM, daemonises and prints false session lines ends in time with all that it started, and nobody else is killed', async (t) => {
  const directory = await temporaryDirectory(t);
  const [bystander, left] = [join(directory, 'bystander'), join(directory, 'left')];
  const pool = new SshPool({ hosts: () => sshd.target });
  t.after(() => pool.close());
  execFileSync('sh', ['-c', `setsid sh -c 'echo $$ > ${bystander}; exec sleep 60' >/dev/null 2>&1 &`]);
  const pid = await pidIn(bystander);
  t.after(() => process.kill(pid));
  const command = [
    "trap '' TERM",
    `for stream in 1 2; do echo "ha-kubernetes-session ${pid}" >&$stream; echo "ha-kubernetes-started ${'0'.repeat(32)} ${pid}" >&$stream; done`,
    daemon(left),
    'while :; do sleep 0.2; done',
  ].join('\n');
  const started = performance.now();
  const run = pool.run('node01', { title: 'resist', command, timeoutMs: 1500 });
  await assert.rejects(run, { kind: 'timeout' });
  assert.ok(performance.now() - started < 15_000);
  assert.equal(runs(await pidIn(left)), false, 'what daemonised is gone when the command counts as ended');
  assert.ok(runs(pid));
});

test('what a command daemonised ends with its session when the worker is gone, too', async (t) => {
  const left = join(await temporaryDirectory(t), 'left');
  const pool = new SshPool({ hosts: () => sshd.target });
  const command = [daemon(left), 'sleep 60'].join('\n');
  const lost = assert.rejects(pool.run('node01', { title: 'wait', command, timeoutMs: 60_000 }), {
    kind: 'connection-lost',
  });
  const pid = await pidIn(left);
  await pool.close();
  await lost;
  await eventually(() => !runs(pid), 12_000);
});

test('what a command that succeeded left running is left alone', async (t) => {
  const left = join(await temporaryDirectory(t), 'left');
  const pool = new SshPool({ hosts: () => sshd.target });
  t.after(() => pool.close());
  await pool.run('node01', { title: 'start', command: `${daemon(left)}\nsleep 0.5`, timeoutMs: 10_000 });
  const pid = await pidIn(left);
  assert.ok(runs(pid));
  process.kill(pid, 'SIGKILL');
});

test('a last line of a megabyte on stderr is cut to what a person reads', async (t) => {
  const pool = new SshPool({ hosts: () => sshd.target });
  t.after(() => pool.close());
  const command = `head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1`;
  const { message } = await refusal(pool.run('node01', { title: 'shout', command, timeoutMs: 20_000 }));
  assert.ok(message.length < 1000, String(message.length));
});

test('input of a script cannot be eaten by the login shell of a host that prints first', async (t) => {
  const noisy = await sshdWith(t, `ForceCommand echo user 1000; echo -n no-newline; eval "$SSH_ORIGINAL_COMMAND"`);
  const pool = new SshPool({ hosts: () => noisy.target });
  t.after(() => pool.close());
  const { stdout } = await pool.run('node01', {
    title: 'read',
    command: 'cat',
    stdin: Readable.from(['user 0\n']),
    timeoutMs: 10_000,
  });
  assert.equal(stdout, 'user 0\n');
});
