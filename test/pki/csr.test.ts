import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CertificateRequestError, parseCertificateRequest } from '../../activities/certificates/csr.js';
import { openssl } from '../support/openssl.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const kubeletSubject = '/O=system:nodes/CN=system:node:node01';

/** A signing request made by openssl with a new key. */
async function request(t: TestContext, subject: string, ...args: string[]): Promise<string> {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'request.pem');
  await openssl(
    'req',
    '-new',
    '-nodes',
    '-keyout',
    join(directory, 'key.pem'),
    '-out',
    file,
    '-subj',
    subject,
    ...args,
  );
  return readFile(file, 'utf8');
}

/** What openssl makes of the key of a request. */
async function fingerprintOf(t: TestContext, pem: string): Promise<string> {
  const file = join(await temporaryDirectory(t), 'request.pem');
  await writeFile(file, pem);
  const publicKey = await openssl('req', '-in', file, '-noout', '-pubkey');
  return createHash('sha256').update(derOf(publicKey)).digest('hex');
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----.*-----/g, ''), 'base64');
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}

test("a kubelet's ECDSA request is read and its signature checked", async (t) => {
  const pem = await request(t, kubeletSubject, ...p256);
  assert.deepEqual(parseCertificateRequest(pem), {
    subject: { commonName: 'system:node:node01', organizations: ['system:nodes'], otherAttributes: [] },
    dnsSans: [],
    ipSans: [],
    emailSans: [],
    uriSans: [],
    otherSans: [],
    otherExtensions: [],
    publicKey: { type: 'ec', bits: 256, sha256: await fingerprintOf(t, pem) },
    signatureValid: true,
  });
});

test('RSA, P-384 and Ed25519 requests are read as well', async (t) => {
  const rsa = parseCertificateRequest(await request(t, kubeletSubject, '-newkey', 'rsa:2048', '-sha512'));
  const seen = ({ publicKey, signatureValid }: typeof rsa): unknown[] => [
    publicKey.type,
    publicKey.bits,
    signatureValid,
  ];
  assert.deepEqual(seen(rsa), ['rsa', 2048, true]);
  const p384 = await request(t, kubeletSubject, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1', '-sha384');
  assert.deepEqual(seen(parseCertificateRequest(p384)), ['ec', 384, true]);
  const ed25519 = parseCertificateRequest(await request(t, kubeletSubject, '-newkey', 'ed25519'));
  assert.deepEqual(seen(ed25519), ['ed25519', 256, true]);
});

test('every kind of requested name is told apart', async (t) => {
  const san = 'DNS:node01,DNS:node01.mykernel.cn,IP:172.16.0.104,IP:fd00::1,email:a@b.cn,URI:spiffe://x/y,RID:1.2.3';
  const parsed = parseCertificateRequest(
    await request(
      t,
      kubeletSubject,
      ...p256,
      '-addext',
      `subjectAltName=${san}`,
      '-addext',
      'basicConstraints=CA:TRUE',
    ),
  );
  assert.deepEqual(parsed.dnsSans, ['node01', 'node01.mykernel.cn']);
  assert.deepEqual(parsed.ipSans, ['172.16.0.104', 'fd00::1']);
  assert.deepEqual(parsed.emailSans, ['a@b.cn']);
  assert.deepEqual(parsed.uriSans, ['spiffe://x/y']);
  assert.deepEqual(parsed.otherSans, [8]);
  assert.deepEqual(parsed.otherExtensions, ['2.5.29.19']);
});

test('a forged extra group and extra attributes are seen, wherever they hide', async (t) => {
  const subject = '/O=system:nodes/O=system:masters/OU=x/CN=system:node:node01';
  const parsed = parseCertificateRequest(await request(t, subject, ...p256));
  assert.deepEqual(parsed.subject.organizations, ['system:nodes', 'system:masters']);
  assert.deepEqual(parsed.subject.otherAttributes, ['organizationalUnitName=x']);
  const multiValued = await request(t, '/O=system:nodes+O=system:masters/CN=system:node:node01', ...p256);
  assert.deepEqual([...parseCertificateRequest(multiValued).subject.organizations].sort(), [
    'system:masters',
    'system:nodes',
  ]);
});

test('two common names are refused, for readers differ in which they take', async (t) => {
  const pem = await request(t, '/CN=system:node:node01/CN=admin', ...p256);
  assert.throws(() => parseCertificateRequest(pem), /more than one common name/);
});

test('a subject that could steer a terminal is refused', async (t) => {
  const pem = await request(t, '/CN=system:node:node01\u001b[2K', '-utf8', ...p256);
  assert.throws(() => parseCertificateRequest(pem), /control or invalid characters/);
});

test('a tampered request has no valid signature', async (t) => {
  for (const key of [p256, ['-newkey', 'rsa:2048']]) {
    const der = derOf(await request(t, kubeletSubject, ...key));
    const name = der.indexOf('node01');
    der.write('node02', name);
    const parsed = parseCertificateRequest(pemOf(der));
    assert.equal(parsed.subject.commonName, 'system:node:node02');
    assert.equal(parsed.signatureValid, false);
  }
});

test('a signature with SHA-1 is refused', async (t) => {
  const pem = await request(t, kubeletSubject, '-newkey', 'rsa:2048', '-sha1');
  assert.throws(() => parseCertificateRequest(pem), /signed with an algorithm that is not allowed/);
});

test('what is no signing request is refused in one sentence that does not quote it', async (t) => {
  const good = await request(t, kubeletSubject, ...p256);
  const der = derOf(good);
  const directory = await temporaryDirectory(t);
  const key = join(directory, 'key.pem');
  await writeFile(key, '');
  await openssl('genpkey', '-algorithm', 'RSA', '-out', key);
  const keyPem = await readFile(key, 'utf8');
  const bad: [string, RegExp][] = [
    ['', /not one PEM block/],
    [keyPem, /not one PEM block/],
    [good + good, /not one PEM block/],
    [good + keyPem, /not one PEM block/],
    [pemOf(der.subarray(0, -3)), /is not DER/],
    [pemOf(Buffer.concat([der, Buffer.from('00', 'hex')])), /is not DER/],
    [pemOf(Buffer.from('3003020101', 'hex')), /does not have the structure that it must have/],
  ];
  for (const [pem, message] of bad) {
    assert.throws(
      () => parseCertificateRequest(pem),
      (error: Error) => {
        assert.ok(error instanceof CertificateRequestError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /BEGIN|PRIVATE/);
        return true;
      },
    );
  }
});

test('no change of a single byte makes the reader fail in another way than its own', async (t) => {
  const der = derOf(await request(t, kubeletSubject, ...p256, '-addext', 'subjectAltName=DNS:node01,IP:172.16.0.104'));
  for (let position = 0; position < der.length; position++) {
    for (const flip of [0x01, 0x20, 0x80, 0xff]) {
      const changed = Buffer.from(der);
      changed[position] = (changed[position] ?? 0) ^ flip;
      try {
        const { signatureValid } = parseCertificateRequest(pemOf(changed));
        assert.equal(signatureValid, false, `byte ${position} changed by ${flip} and still valid`);
      } catch (error) {
        assert.ok(error instanceof CertificateRequestError || error instanceof assert.AssertionError, String(error));
        if (error instanceof assert.AssertionError) throw error;
      }
    }
  }
});
