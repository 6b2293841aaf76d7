import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastWords, PERMANENT_EXIT_CODE, RemoteError, scrub } from '../../activities/ssh/errors.js';
import { quote } from '../../activities/ssh/remote-command.js';
import { execFileSync } from 'node:child_process';

test('PEM blocks and bootstrap tokens are removed from texts, also a block that is cut off', () => {
  const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----';
  assert.equal(scrub(`a ${pem} b abcdef.0123456789abcdef c`), 'a [PEM removed] b [token removed] c');
  assert.equal(scrub('x\n-----BEGIN PRIVATE KEY-----\nMIIsecret'), 'x\n[PEM removed]');
});

test('the last line of a key is not taken for a message', () => {
  assert.equal(lastWords('failed\n-----BEGIN PRIVATE KEY-----\nMIIsecret\n'), '[PEM removed]');
  assert.equal(lastWords(' \n'), undefined);
});

test('what a program complained about before the last line is told with it', () => {
  assert.equal(
    lastWords("chmod: changing permissions of '/etc/etcd': Read-only file system\ncannot write /etc/etcd\n"),
    "cannot write /etc/etcd (chmod: changing permissions of '/etc/etcd': Read-only file system)",
  );
  assert.equal(lastWords('Nov 24 host etcd[1]: listening\netcd.service is not up'), 'etcd.service is not up');
});

test('the message never holds the output, and both are scrubbed', () => {
  const error = new RemoteError({ host: 'node01', kind: 'exit', reason: 'failed', output: 'abcdef.0123456789abcdef' });
  assert.equal(error.message, 'node01: failed');
  assert.equal(error.output, '[token removed]');
});

test('authentication, host keys and the permanent exit code are not worth a retry, all else is', () => {
  const retryable = (kind: RemoteError['kind'], exitCode?: number): boolean =>
    new RemoteError({ host: 'a', kind, reason: 'b', ...(exitCode !== undefined && { exitCode }) }).retryable;
  assert.equal(retryable('auth'), false);
  assert.equal(retryable('host-key'), false);
  assert.equal(retryable('exit', PERMANENT_EXIT_CODE), false);
  assert.equal(retryable('exit', 1), true);
  assert.equal(retryable('connection-lost'), true);
});

test('any string is one word of a shell after quoting', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
      (text) => {
        const printed = execFileSync('sh', ['-c', `printf %s ${quote(text)}`]);
        assert.deepEqual(printed, Buffer.from(text));
      },
    ),
    { numRuns: 50 },
  );
});
