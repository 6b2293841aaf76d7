import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { SshPool, type RemoteHost } from '../../activities/ssh/connection-pool.js';
import type { RemoteError } from '../../activities/ssh/errors.js';
import type { SshTarget } from '../../activities/ssh/target.js';
import { eventually, makeKey, startSshd, type LoopbackSshd } from './loopback-sshd.js';

/** Hosts whose SSH server or account is set up in other ways than usual; all of them occur. */
async function hostWith(
  t: TestContext,
  lines: readonly string[],
  target: Partial<SshTarget> = {},
): Promise<{ host: RemoteHost; sshd: LoopbackSshd }> {
  const sshd = await startSshd(lines);
  const pool = new SshPool({ hosts: () => ({ ...sshd.target, ...target }) });
  t.after(async () => {
    await pool.close();
    await sshd.stop();
  });
  return { host: pool.host('node01'), sshd };
}

const failure = (running: Promise<unknown>): Promise<RemoteError> =>
  running.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error as RemoteError,
  );

const short = { title: 'look at the host', timeoutMs: 10_000 };

test('a transfer goes on over many key re-exchanges', async (t) => {
  const { host } = await hostWith(t, ['RekeyLimit 1M']);
  const chunk = Buffer.alloc(1024 * 1024, 7);
  const { stdout } = await host.run({
    title: 'receive',
    command: 'wc -c',
    stdin: Readable.from(Array.from({ length: 50 }, () => chunk)),
    timeoutMs: 60_000,
  });
  assert.equal(Number(stdout), 50 * chunk.length);
  const back = await host.run({ title: 'send', command: 'head -c 20000000 /dev/zero | tr "\\0" x', timeoutMs: 60_000 });
  assert.ok(back.truncated);
});

for (const sessions of [1, 2, 3]) {
  test(`a host with MaxSessions ${sessions} runs every command, and loses none of them`, async (t) => {
    const { host } = await hostWith(t, [`MaxSessions ${sessions}`]);
    const long = host.run({ title: 'wait', command: 'sleep 4; echo long', timeoutMs: 30_000 });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        host.run({ title: 'count', command: `sleep 0.1; echo ${i}`, timeoutMs: 9000 }),
      ),
    );
    assert.deepEqual(
      results.map(({ stdout }) => Number(stdout)),
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal((await long).stdout, 'long\n');
  });
}

test('where a connection has one session only, a command is still killed in time', async (t) => {
  const { host, sshd } = await hostWith(t, ['MaxSessions 1']);
  const pidFile = join(sshd.directory, 'pid');
  const abort = new AbortController();
  const command = `echo $$ > ${pidFile}; exec sleep 60`;
  const rejected = assert.rejects(host.run({ title: 'wait', command, timeoutMs: 60_000, signal: abort.signal }), {
    kind: 'cancelled',
  });
  await eventually(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n'), 5000);
  abort.abort();
  await rejected;
  const pid = readFileSync(pidFile, 'utf8').trim();
  assert.throws(() => execFileSync('sh', ['-c', `ps -o stat= -p ${pid} | grep -v ^Z`]));
  assert.equal((await host.run({ ...short, command: 'echo on' })).stdout, 'on\n');
});

test('a host that allows no session at all says so, and nothing has an unknown outcome', async (t) => {
  const { host } = await hostWith(t, ['MaxSessions 0']);
  const { kind, message } = await failure(host.run({ ...short, command: 'true' }));
  assert.equal(kind, 'unreachable');
  assert.match(message, /opens no session.*MaxSessions/);
});

/** What a login shell could take for its own, and lines. */
const demanding = String.raw`cat; printf '%s|' "it's" '!! !x $HOME \\ \n ~ * "' 'tab	ünï' "$(echo a
echo b)"`;

for (const [shell, options] of [
  ['bash', '-c'],
  ['dash', '-c'],
  ['tcsh', '-c'],
  ['fish', '-c'],
] as const) {
  test(`commands and kills work where the login shell is ${shell}`, async (t) => {
    const { host, sshd } = await hostWith(t, [`ForceCommand exec ${shell} ${options} "$SSH_ORIGINAL_COMMAND"`]);
    const { stdout } = await host.run({ ...short, command: demanding, stdin: 'input ' });
    assert.equal(stdout, execFileSync('sh', ['-c', demanding], { input: 'input ', encoding: 'utf8' }));
    const pidFile = join(sshd.directory, 'pid');
    const run = host.run({ title: 'wait', command: `echo $$ > ${pidFile}; exec sleep 60`, timeoutMs: 1000 });
    await assert.rejects(run, { kind: 'timeout' });
    const pid = readFileSync(pidFile, 'utf8').trim();
    assert.throws(() => execFileSync('sh', ['-c', `ps -o stat= -p ${pid} | grep -v ^Z`]));
  });
}

test('what a profile prints is no part of what a command prints', async (t) => {
  const noise = 'echo user 1000; echo stop the press >&2; printf "no end of line"; eval "$SSH_ORIGINAL_COMMAND"';
  const { host } = await hostWith(t, [`ForceCommand ${noise}`]);
  const lines: string[] = [];
  const result = await host.run({
    ...short,
    command: 'echo \'{"a": 1}\'; echo done >&2',
    onStdoutLine: (line) => lines.push(line),
  });
  assert.equal(result.stdout, '{"a": 1}\n');
  assert.equal(result.stderr, 'done\n');
  assert.deepEqual(lines, ['{"a": 1}']);
  const { message } = await failure(host.run({ ...short, command: 'exit 3' }));
  assert.equal(message, 'node01: look at the host failed: exit code 3');
});

test('what a command leaves unsaid on stderr is looked for on stdout', async (t) => {
  const { host } = await hostWith(t, []);
  const { message } = await failure(host.run({ ...short, command: 'echo the disk is full; exit 3' }));
  assert.equal(message, 'node01: look at the host failed: the disk is full (exit code 3)');
});

test('an account that runs another command than ours says which one, whatever its exit code is', async (t) => {
  for (const [command, message] of [
    [
      'echo Please login as the user admin; exit 142',
      /did not begin: Please login as the user admin \(exit code 142\); .*command= in authorized_keys/,
    ],
    ['true', /did not begin: exit code 0; .*ForceCommand/],
    ['echo go away >&2; exit 1', /did not begin: go away$/],
  ] as const) {
    const { host, sshd } = await hostWith(t, []);
    const file = join(sshd.directory, 'authorized_keys');
    await writeFile(file, `command="${command}" ${await readFile(file, 'utf8')}`);
    assert.match((await failure(host.run({ ...short, command: 'echo user 0' }))).message, message);
  }
});

test('an account for file transfer alone is told apart from a host that fails', async (t) => {
  const { host } = await hostWith(t, ['ForceCommand internal-sftp']);
  const { message } = await failure(host.run({ ...short, command: 'true' }));
  assert.match(message, /did not begin: This service allows sftp connections only/);
});

test('commands know nothing of the proxies, languages and settings of the account', async (t) => {
  const { host } = await hostWith(t, [
    'SetEnv http_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ETCDCTL_API=2 LC_ALL=de_DE.UTF-8 GREP_OPTIONS=-v IFS=e no_proxy=example.org PATH=/nonexistent:/usr/bin:/bin',
  ]);
  const { stdout } = await host.run({ ...short, command: 'env | cut -d = -f 1 | sort' });
  assert.deepEqual(
    stdout.trim().split('\n'),
    [
      ...['HA_KUBERNETES_COMMAND', 'HOME', 'LC_ALL', 'PATH', 'PWD', 'TZ'],
      ...['apt_http_proxy', 'apt_https_proxy', 'apt_no_proxy'],
    ].filter((name) => stdout.includes(name)),
  );
  const path = await host.run({ ...short, command: 'echo "$PATH $LC_ALL $apt_http_proxy $apt_no_proxy"' });
  assert.equal(
    path.stdout,
    '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin C http://127.0.0.1:9 example.org\n',
  );
});

test('an RSA key works, and where the host takes SHA-512 only, the refusal says so', async (t) => {
  const { host, sshd } = await hostWith(t, []);
  await host.run({ ...short, command: 'true' });
  const rsaKey = join(sshd.directory, 'rsa');
  makeKey(rsaKey, 'rsa');
  const rsaPublic = await readFile(`${rsaKey}.pub`, 'utf8');
  const usual = new SshPool({ hosts: () => ({ ...sshd.target, identityFile: rsaKey }) });
  t.after(() => usual.close());
  await appendFile(join(sshd.directory, 'authorized_keys'), rsaPublic);
  await usual.run('node01', { ...short, command: 'true' });
  const strict = await hostWith(t, ['PubkeyAcceptedAlgorithms rsa-sha2-512'], { identityFile: rsaKey });
  await appendFile(join(strict.sshd.directory, 'authorized_keys'), rsaPublic);
  const { kind, message } = await failure(strict.host.run({ ...short, command: 'true' }));
  assert.equal(kind, 'auth');
  assert.match(message, /if it is there, the host may not take rsa-sha2-256 .*use an Ed25519 key/);
});

test('a host with post-quantum key exchange only is refused for good, with the algorithms named', async (t) => {
  const { host } = await hostWith(t, ['KexAlgorithms sntrup761x25519-sha512@openssh.com']);
  const { kind, message, retryable } = await failure(host.run({ ...short, command: 'true' }));
  assert.equal(kind, 'algorithms');
  assert.equal(retryable, false);
  assert.match(
    message,
    /no key exchange algorithm in common; the host offers sntrup761x25519-sha512@openssh.com; add curve25519-sha256 to KexAlgorithms/,
  );
});
