import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  fingerprint,
  hostKeyAlgorithms,
  hostKeyFromBlob,
  judgeHostKey,
  knownHostsName,
  knownKeysOf,
} from '../../activities/ssh/known-hosts.js';
import { recordFirstUse } from '../../activities/ssh/first-use.js';
import { makeKey } from './loopback-sshd.js';

const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-known-hosts-'));
test.after(() => rm(directory, { recursive: true }));
makeKey(join(directory, 'ed25519'), 'ed25519');
makeKey(join(directory, 'rsa'), 'rsa');
const publicKey = async (type: string): Promise<string> =>
  (await readFile(join(directory, `${type}.pub`), 'utf8')).split(' ').slice(0, 2).join(' ');
const [ed25519, rsa] = [await publicKey('ed25519'), await publicKey('rsa')];
const blobOf = (key: string): Buffer => Buffer.from(key.split(' ')[1] ?? '', 'base64');

test('port 22 files a host by its address, any other port as [address]:port', () => {
  assert.equal(knownHostsName('10.0.0.1', 22), '10.0.0.1');
  assert.equal(knownHostsName('10.0.0.1', 2222), '[10.0.0.1]:2222');
});

test('an entry is found by any of its names, and comments, blank lines and authorities are passed over', () => {
  const text = `# a comment\n\n@cert-authority * ${rsa}\nnode01,10.0.0.1 ${ed25519} comment\n10.0.0.2 ${rsa}\n`;
  assert.deepEqual(knownKeysOf(text, '10.0.0.1'), [{ type: 'ssh-ed25519', blob: blobOf(ed25519), revoked: false }]);
  assert.deepEqual(knownKeysOf(text, '10.0.0.3'), []);
});

test('a file hashed by ssh-keygen -H is read', async () => {
  const file = join(directory, 'hashed');
  await writeFile(file, `[10.0.0.1]:2222 ${ed25519}\n`);
  execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
  const text = await readFile(file, 'utf8');
  assert.match(text, /^\|1\|/);
  assert.equal(knownKeysOf(text, '[10.0.0.1]:2222').length, 1);
  assert.equal(knownKeysOf(text, '10.0.0.1').length, 0);
});

test('a host is offered only the key types under which it is known', () => {
  assert.deepEqual(hostKeyAlgorithms(knownKeysOf(`a ${rsa}`, 'a')), ['rsa-sha2-512', 'rsa-sha2-256']);
  assert.equal(hostKeyAlgorithms([])[0], 'ssh-ed25519');
});

test('a key is known, unknown, changed or revoked', () => {
  const seen = hostKeyFromBlob(blobOf(ed25519));
  const judge = (text: string): string => judgeHostKey(text, 'a', 22, seen);
  assert.equal(judge(`a ${ed25519}`), 'known');
  assert.equal(judge(`b ${ed25519}`), 'unknown');
  assert.equal(judge(`a ${rsa}`), 'changed');
  assert.equal(judge(`a ${ed25519}\n@revoked a ${ed25519}`), 'revoked');
});

test('the fingerprint is the one that ssh-keygen prints', () => {
  const printed = execFileSync('ssh-keygen', ['-lf', join(directory, 'rsa.pub')], { encoding: 'utf8' });
  assert.ok(printed.includes(fingerprint(hostKeyFromBlob(blobOf(rsa)))));
});

test('a key that is filed under the address alone counts for another port, unless that one has a key of its own', () => {
  const judge = (text: string): string => judgeHostKey(text, 'a', 2222, hostKeyFromBlob(blobOf(ed25519)));
  assert.equal(judge(`a ${ed25519}`), 'known');
  assert.equal(judge(`a ${rsa}`), 'unknown');
  assert.equal(judge(`@revoked a ${ed25519}`), 'revoked');
  assert.equal(judge(`a ${ed25519}\n[a]:2222 ${rsa}`), 'changed');
});

test('a key is added to a file that does not end in a newline, and the file is private', async () => {
  const file = join(directory, 'new', 'known_hosts');
  const record = (address: string, key: string): Promise<string> =>
    recordFirstUse(file, address, 22, hostKeyFromBlob(blobOf(key)));
  assert.equal(await record('a', ed25519), 'recorded');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await writeFile(file, `a ${ed25519}`);
  assert.equal(await record('b', rsa), 'recorded');
  assert.equal(await readFile(file, 'utf8'), `a ${ed25519}\nb ${rsa}\n`);
});

test('a record that somebody died over is finished in his place', async () => {
  const file = join(directory, 'died', 'known_hosts');
  await mkdir(join(directory, 'died'), { mode: 0o700 });
  await writeFile(`${file}.new-a`, `a ${ed25519}\n`);
  assert.equal(await recordFirstUse(file, 'a', 22, hostKeyFromBlob(blobOf(rsa))), 'changed');
  assert.equal(await readFile(file, 'utf8'), `a ${ed25519}\n`);
  assert.deepEqual(await readdir(join(directory, 'died')), ['known_hosts']);
});
