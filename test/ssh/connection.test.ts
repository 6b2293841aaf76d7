import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import type { NewHostKey } from '../../activities/ssh/connection.js';
import type { RemoteError } from '../../activities/ssh/errors.js';
import type { SshTarget } from '../../activities/ssh/target.js';
import { freePort } from '../support/loopback.js';
import { makeKey, startSshd } from './loopback-sshd.js';

const sshd = await startSshd();
test.after(() => sshd.stop());

const hello = { title: 'say hello', command: 'echo hello', timeoutMs: 10_000 };

async function runOnce(target: SshTarget, onNewHostKey?: (key: NewHostKey) => void): Promise<string> {
  const pool = new SshPool({ hosts: () => target, ...(onNewHostKey !== undefined && { onNewHostKey }) });
  try {
    return (await pool.run(target.name, hello)).stdout;
  } finally {
    await pool.close();
  }
}

const failsWith =
  (kind: RemoteError['kind'], message: RegExp, retryable = false) =>
  (error: RemoteError): boolean => {
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    assert.equal(error.retryable, retryable);
    return true;
  };

test('the first use of a host records its key, says so once, and the second is checked against it', async () => {
  const target = { ...sshd.target, knownHostsFile: join(sshd.directory, 'first-use') };
  const seen: NewHostKey[] = [];
  assert.equal(await runOnce(target, (key) => seen.push(key)), 'hello\n');
  assert.equal(await runOnce({ ...target, hostKeys: 'strict' }, (key) => seen.push(key)), 'hello\n');
  assert.equal(seen.length, 1);
  assert.match(seen[0]?.fingerprint ?? '', /^SHA256:[\w+/]{43}$/);
  assert.match(await readFile(target.knownHostsFile, 'utf8'), /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n$/);
});

test('fails permanently on an unknown key when host keys are strict', async () => {
  const target: SshTarget = { ...sshd.target, hostKeys: 'strict', knownHostsFile: join(sshd.directory, 'nobody') };
  await assert.rejects(runOnce(target), failsWith('host-key', /node01: host key ssh-ed25519 SHA256:\S+ .*accept-new/));
});

test('fails permanently on a changed key even where new keys are accepted, and names the fix', async () => {
  makeKey(join(sshd.directory, 'other'), 'ed25519');
  const other = (await readFile(join(sshd.directory, 'other.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
  const knownHostsFile = join(sshd.directory, 'changed');
  await writeFile(knownHostsFile, `[127.0.0.1]:${sshd.target.port} ${other}\n`);
  await assert.rejects(
    runOnce({ ...sshd.target, knownHostsFile }),
    failsWith('host-key', /SHA256:\S+ .*is not the one in .*changed.*ssh-keygen -R '\[127\.0\.0\.1\]:\d+'/),
  );
});

test('a host known by its RSA key alone is asked for that one', async () => {
  const rsa = (await readFile(join(sshd.directory, 'host_rsa.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');
  const knownHostsFile = join(sshd.directory, 'rsa-only');
  await writeFile(knownHostsFile, `[127.0.0.1]:${sshd.target.port} ${rsa}\n`);
  assert.equal(await runOnce({ ...sshd.target, hostKeys: 'strict', knownHostsFile }), 'hello\n');
});

test('fails permanently when the host no longer has a key of a known type', async () => {
  const knownHostsFile = join(sshd.directory, 'ecdsa-only');
  await writeFile(knownHostsFile, `[127.0.0.1]:${sshd.target.port} ecdsa-sha2-nistp256 AAAA\n`);
  await assert.rejects(
    runOnce({ ...sshd.target, knownHostsFile }),
    failsWith('host-key', /no longer has a host key of the types.*ecdsa-sha2-nistp256/),
  );
});

test('fails permanently when the host refuses the key', async () => {
  const identityFile = join(sshd.directory, 'stranger');
  makeKey(identityFile, 'ed25519');
  await assert.rejects(
    runOnce({ ...sshd.target, identityFile }),
    failsWith('auth', /refused the key .*authorized_keys/),
  );
});

test('fails permanently when the key file is missing or is not a key', async () => {
  const missing = { ...sshd.target, identityFile: join(sshd.directory, 'missing') };
  await assert.rejects(runOnce(missing), failsWith('auth', /cannot read the SSH key: ENOENT.*missing/));
  const garbage = { ...sshd.target, identityFile: join(sshd.directory, 'garbage') };
  await writeFile(garbage.identityFile, 'no key', { mode: 0o600 });
  await assert.rejects(runOnce(garbage), failsWith('auth', /garbage cannot be used/));
});

test('a host where nobody listens is unreachable, which is worth a retry', async () => {
  const target = { ...sshd.target, port: await freePort() };
  await assert.rejects(runOnce(target), failsWith('unreachable', /node01: cannot connect to .*ECONNREFUSED/, true));
});
