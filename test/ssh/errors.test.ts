import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { scrub, secretsIn } from '../../activities/secret-shapes.js';
import { lastWords, PERMANENT_EXIT_CODE, RemoteError } from '../../activities/ssh/errors.js';
import { quote } from '../../activities/ssh/remote-command.js';

test('PEM blocks and bootstrap tokens are removed from texts, also a block that is cut off', () => {
  const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----';
  assert.equal(scrub(`a ${pem} b abcdef.0123456789abcdef c`), 'a [PEM removed] b [token removed] c');
  assert.equal(scrub('x\n-----BEGIN PRIVATE KEY-----\nMIIsecret'), 'x\n[PEM removed]');
});

const base64 = (bytes: string | Buffer): string => Buffer.from(bytes).toString('base64');
const pemLines = randomBytes(144)
  .toString('base64')
  .replaceAll(/(.{64})/g, '$1\n');
const privateKey = `-----BEGIN PRIVATE KEY-----\n${pemLines}\n-----END PRIVATE KEY-----`;
const jwt = [
  { alg: 'RS256', kid: 'x' },
  { iss: 'kubernetes/serviceaccount', sub: 'system:serviceaccount:a:b' },
]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .concat(randomBytes(256).toString('base64url'))
  .join('.');

/** What must not be readable any more, and a text around it; `certain` where the text leaks without doubt. */
const secrets: readonly { kind: string; secret: string; text?: string; certain?: true }[] = [
  { kind: 'a private key', secret: pemLines.slice(0, 30), text: privateKey, certain: true },
  {
    kind: 'a private key of OpenSSH',
    secret: 'b3Blbn',
    text: '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn',
    certain: true,
  },
  {
    kind: 'a tail of a key',
    secret: pemLines.slice(70, 90),
    text: `${pemLines.slice(40)}\n-----END EC PRIVATE KEY-----`,
  },
  { kind: 'the last line of a key', secret: 'MIIabc==', text: 'MIIabc==\n-----END PRIVATE KEY-----\nfailed' },
  { kind: 'the middle of a key', secret: pemLines.slice(70, 90), text: pemLines },
  { kind: 'a key in base64', secret: base64(privateKey), certain: true },
  { kind: 'an EC key in base64', secret: base64('-----BEGIN EC PRIVATE KEY-----\nMHc'), certain: true },
  { kind: 'a certificate in base64', secret: base64('-----BEGIN CERTIFICATE-----\nMIIBxx') },
  { kind: 'a file in base64', secret: base64(`users:\n- client-key-data: ${base64(privateKey)}`) },
  { kind: 'a service account token', secret: jwt, certain: true },
  { kind: 'a token in a header', secret: jwt, text: `Authorization: Bearer ${jwt}`, certain: true },
  { kind: 'another token in a header', secret: 'ghp_abcdefgh', text: 'Authorization: Bearer ghp_abcdefgh' },
  { kind: 'a token of a Secret', secret: base64(jwt) },
  { kind: 'the end of a token', secret: jwt.slice(80), text: jwt.slice(80) },
  { kind: 'the payload of a token', secret: jwt.slice(jwt.indexOf('.') + 1), certain: true },
  { kind: 'a bootstrap token', secret: 'abcdef.0123456789abcdef' },
  { kind: 'a password of a URL', secret: 'pa:ss@w0rd', text: 'https://ops:pa:ss@w0rd@mirror.example/x', certain: true },
  { kind: 'a password with a slash', secret: 'pa/ss', text: 'http://ops:pa/ss@mirror.example/x', certain: true },
  { kind: 'a token for a password', secret: 'hunter2', text: 'postgres://:hunter2@10.0.0.1:5432/db', certain: true },
  { kind: 'a secretbox key', secret: base64(randomBytes(32)) },
  { kind: 'a key of an encryption configuration', secret: base64(randomBytes(32)), certain: true },
  { kind: 'a password of a command line', secret: 'hunter22', text: 'mount: bad option password=hunter22,rw' },
];

for (const { kind, secret, text = `{"secret": "${secret}"} x`, certain } of secrets) {
  test(`${kind} is removed from texts`, () => {
    assert.ok(text.includes(secret));
    assert.ok(!scrub(text).includes(secret), scrub(text));
    assert.ok(!scrub(`before\n${text}`).includes(secret));
    assert.ok(!scrub(`said: ${text}\nafter`).includes(secret));
    if (certain === true) assert.notDeepEqual(secretsIn(text), [], text);
  });
}

test('digests, addresses, paths and what people write stay', () => {
  for (const text of [
    `sha256 is ${'0123456789abcdef'.repeat(4)}, not ${'f'.repeat(64)}`,
    `${'0123456789abcdef'.repeat(4)}\n${'f'.repeat(64)}`,
    'ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    'https://mirror.example:8080/debian/pool/main/a/apt@2.6.1 answered 503',
    'http://127.0.0.1:2379/health: connection refused; mail ops@example.org',
    'registry.k8s.io/pause:3.10@sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a',
    '/var/lib/kubelet/pods/7c1e2a34-1d3f-4a36-9c30-0b1d4f2f5a6e/volumes/kubernetes.io~projected/kube-api-access-x2x4k',
    'cannot read the SSH key: /home/alice/clusters/production/secrets/identity-of-the-deployer-of-2026 has mode 0644',
    'the bootstrap token of node01 is gone; the secret: none',
  ]) {
    assert.equal(scrub(text), text);
    assert.deepEqual(secretsIn(text), []);
  }
});

test('a megabyte of anything is scrubbed in no time', () => {
  for (const unit of [
    'a',
    'A1',
    'eyJ',
    'a ',
    'a\n',
    'http://',
    'a:',
    '-----BEGIN A',
    '-----END ',
    'a.',
    'LS0tLS1CRUdJTi',
    '_',
    '/',
    'password=',
  ]) {
    const started = performance.now();
    scrub(unit.repeat(1_000_000 / unit.length));
    assert.ok(performance.now() - started < 2000, `${unit}: ${performance.now() - started} ms`);
  }
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
