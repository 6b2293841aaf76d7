import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  ensurePki,
  type PkiEntry,
  PkiError,
  type PkiReport,
  readIssued,
} from '../../activities/certificates/ensure-pki.js';
import { openStateStore } from '../../activities/state-store/file-state-store.js';
import type { ClusterStore } from '../../activities/state-store/state-store.js';
import type { CertificatePlan } from '../../cluster/pki.js';
import { openssl } from '../support/openssl.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { seedPlan } from './seed.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** One of each kind, so that most tests are about few entries. */
const few = seedPlan('etcd-server/master01', 'kube-apiserver/master01', 'front-proxy-client/master01');

/** A key on P-256 and, before it in openssl's picture, the two places that name the signature. */
const p256 =
  /Signature Algorithm: ecdsa-with-SHA256\n[^]*NIST CURVE: P-256\n[^]*Signature Algorithm: ecdsa-with-SHA256\n/;

async function newStore(t: TestContext): Promise<{ store: ClusterStore; pki: string }> {
  const home = await temporaryDirectory(t);
  const state = await openStateStore({ HA_KUBERNETES_HOME: home });
  return { store: await state.cluster('seed'), pki: join(home, 'clusters', 'seed', 'pki') };
}

function entries({ authorities, certificates, keyPairs }: PkiReport): readonly PkiEntry[] {
  return [...authorities, ...certificates, ...keyPairs];
}

function outcomes(report: PkiReport): Record<string, string> {
  return Object.fromEntries(entries(report).map(({ name, outcome }) => [name, outcome]));
}

/** sha256 of every file, by path. */
async function snapshot(directory: string): Promise<Record<string, string>> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  const pairs = paths.map(async (path): Promise<[string, string]> => [
    path,
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  ]);
  return Object.fromEntries(await Promise.all(pairs));
}

/** An RSA etcd authority and the seed's etcd-server/master01 under it, as openssl makes them. */
async function rsaEtcd(t: TestContext): Promise<{ authority: string; server: string }> {
  const directory = await temporaryDirectory(t);
  const file = (name: string): string => join(directory, name);
  const make = async (name: string, subject: string, ...args: string[]): Promise<string> => {
    await openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)],
      ...['-days', '90', '-subj', subject, ...args.flatMap((extension) => ['-addext', extension])],
    );
    return (await readFile(file(`${name}.crt`), 'utf8')) + (await readFile(file(`${name}.key`), 'utf8'));
  };
  const authority = await make('ca', '/CN=etcd-ca', 'keyUsage=critical,digitalSignature,keyCertSign');
  const names = 'DNS:master01,DNS:master01.mykernel.cn,DNS:localhost,IP:172.16.0.101,IP:127.0.0.1';
  await make('server', '/CN=kube-etcd', 'extendedKeyUsage=serverAuth,clientAuth', `subjectAltName=${names}`);
  await openssl(
    ...['x509', '-in', file('server.crt'), '-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-days', '90'],
    ...['-out', file('signed.crt')],
  );
  const server = (await readFile(file('signed.crt'), 'utf8')) + (await readFile(file('server.key'), 'utf8'));
  return { authority, server };
}

function withSan(plan: CertificatePlan, name: string, dns: string): CertificatePlan {
  return {
    ...plan,
    certificates: plan.certificates.map((certificate) =>
      certificate.name === name
        ? { ...certificate, sans: { ...certificate.sans, dns: [...certificate.sans.dns, dns] } }
        : certificate,
    ),
  };
}

test('openssl accepts every certificate of the seed for its purposes, and sees what was planned', async (t) => {
  const { store } = await newStore(t);
  const directory = await temporaryDirectory(t);
  const plan = seedPlan();
  const started = performance.now();
  await ensurePki(store.pki, plan, new Date());
  t.diagnostic(`PKI of the seed: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  for (const { name } of plan.authorities) {
    const path = join(directory, `${name}.crt`);
    await writeFile(path, (await readIssued(store.pki, name)).certificate ?? '');
    await openssl('verify', '-x509_strict', '-CAfile', path, path);
    const text = await openssl('x509', '-in', path, '-noout', '-text');
    assert.match(text, /Basic Constraints: critical\n\s+CA:TRUE, pathlen:0/);
    assert.match(text, /Key Usage: critical\n\s+Digital Signature, Certificate Sign, CRL Sign/);
    assert.match(text, p256);
  }
  for (const leaf of plan.certificates) {
    const path = join(directory, 'leaf.crt');
    await writeFile(path, (await readIssued(store.pki, leaf.name)).certificate ?? '');
    for (const [usage, purpose] of [
      ['server', 'sslserver'],
      ['client', 'sslclient'],
    ] as const) {
      const verified = openssl(
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(directory, `${leaf.authority}.crt`), path],
      );
      if (leaf.usages.includes(usage)) await verified;
      else await assert.rejects(verified, /unsuitable certificate purpose/, `${leaf.name} must be no ${purpose}`);
    }
    for (const name of leaf.sans.dns) {
      assert.match(await openssl('x509', '-in', path, '-noout', '-checkhost', name), /does match/);
    }
    const text = await openssl('x509', '-in', path, '-noout', '-text', '-nameopt', 'RFC2253');
    const subject = [`CN=${leaf.commonName}`, ...leaf.organizations.map((o) => `O=${o}`)].join(',');
    assert.ok(text.includes(`Subject: ${subject}\n`), text);
    assert.match(text, /Basic Constraints: critical\n\s+CA:FALSE/);
    assert.match(text, /Key Usage: critical\n\s+Digital Signature\n/);
    assert.match(text, p256);
    const sans = [...leaf.sans.dns.map((n) => `DNS:${n}`), ...leaf.sans.ip.map((a) => `IP Address:${a}`)].join(', ');
    assert.equal(/Subject Alternative Name: \n\s+(.*)\n/.exec(text)?.[1] ?? '', sans);
    const usages = { server: 'TLS Web Server Authentication', client: 'TLS Web Client Authentication' };
    assert.equal(
      /Extended Key Usage: \n\s+(.*)\n/.exec(text)?.[1],
      (['server', 'client'] as const).flatMap((usage) => (leaf.usages.includes(usage) ? usages[usage] : [])).join(', '),
    );
  }
});

test('leaves live 365 days, authorities ten years, both from five minutes ago; serials are 127 bits', async (t) => {
  const { store } = await newStore(t);
  const now = new Date('2021-02-08T10:00:00.500Z');
  const report = await ensurePki(store.pki, few, now);
  const leaf = new X509Certificate((await readIssued(store.pki, 'etcd-server/master01')).certificate ?? '');
  assert.equal(new Date(leaf.validFrom).toISOString(), '2021-02-08T09:55:00.000Z');
  assert.equal(new Date(leaf.validTo).toISOString(), '2022-02-08T09:55:00.000Z');
  assert.equal(report.certificates[0]?.notAfter, '2022-02-08T09:55:00.000Z');
  assert.equal(report.authorities[0]?.notAfter, '2031-02-06T09:55:00.000Z');
  assert.match(leaf.serialNumber, /^[4-7][0-9A-F]{31}$/);
  assert.equal(report.certificates[0].sha256, createHash('sha256').update(leaf.raw).digest('hex'));
});

test('every private key is in PKCS#8, which all components read', async (t) => {
  const { store } = await newStore(t);
  for (const { name } of entries(await ensurePki(store.pki, few, new Date()))) {
    assert.match((await readIssued(store.pki, name)).privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
  }
});

test('an end from 2050 on is encoded with a year of four digits', async (t) => {
  const { store, pki } = await newStore(t);
  const report = await ensurePki(store.pki, few, new Date('2045-01-01T00:05:00Z'));
  assert.equal(report.authorities[0]?.notAfter, '2054-12-30T00:00:00.000Z');
  const asn1 = await openssl('asn1parse', '-in', join(pki, 'etcd-ca', '1.pem'));
  assert.match(asn1, /UTCTIME +:450101000000Z\n.*GENERALIZEDTIME +:20541230000000Z\n/);
});

test('RSA entries of an older store are kept, and an RSA authority signs new leaves', async (t) => {
  const { store } = await newStore(t);
  const rsa = await rsaEtcd(t);
  await store.pki.add('etcd-ca', { generation: 1, text: rsa.authority });
  await store.pki.add('etcd-server/master01', { generation: 1, text: rsa.server });
  const plan = seedPlan('etcd-server/master01', 'etcd-peer/master01');
  assert.deepEqual(
    entries(await ensurePki(store.pki, plan, new Date()))
      .filter(({ name }) => name.startsWith('etcd-'))
      .map(({ name, outcome }) => [name, outcome]),
    [
      ['etcd-ca', 'reused'],
      ['etcd-server/master01', 'reused'],
      ['etcd-peer/master01', 'created'],
    ],
  );
  const directory = await temporaryDirectory(t);
  const [authority, leaf] = [join(directory, 'ca.crt'), join(directory, 'leaf.crt')];
  await writeFile(authority, (await readIssued(store.pki, 'etcd-ca')).certificate ?? '');
  await writeFile(leaf, (await readIssued(store.pki, 'etcd-peer/master01')).certificate ?? '');
  await openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', authority, leaf);
  const text = await openssl('x509', '-in', leaf, '-noout', '-text');
  assert.match(text, /Signature Algorithm: sha256WithRSAEncryption\n[^]*NIST CURVE: P-256\n/);
});

test('a second pass reuses everything and changes no byte', async (t) => {
  const { store, pki } = await newStore(t);
  const first = await ensurePki(store.pki, few, new Date());
  const before = await snapshot(pki);
  const second = await ensurePki(store.pki, few, new Date());
  assert.deepEqual(await snapshot(pki), before);
  assert.ok(entries(first).every(({ outcome }) => outcome === 'created'));
  assert.ok(entries(second).every(({ outcome }) => outcome === 'reused'));
  assert.deepEqual(
    entries(second).map(({ sha256 }) => sha256),
    entries(first).map(({ sha256 }) => sha256),
  );
});

test('a changed name issues that leaf again, with a new key, and nothing else', async (t) => {
  const { store } = await newStore(t);
  await ensurePki(store.pki, few, new Date());
  const oldKey = (await readIssued(store.pki, 'kube-apiserver/master01')).privateKey;
  const report = await ensurePki(store.pki, withSan(few, 'kube-apiserver/master01', 'api.example.org'), new Date());
  const changed = entries(report).filter(({ outcome }) => outcome !== 'reused');
  assert.deepEqual(
    changed.map(({ name, outcome, reason }) => ({ name, outcome, reason })),
    [{ name: 'kube-apiserver/master01', outcome: 'reissued', reason: 'other names than planned' }],
  );
  const { certificate, privateKey } = await readIssued(store.pki, 'kube-apiserver/master01');
  assert.notEqual(privateKey, oldKey);
  assert.match(new X509Certificate(certificate ?? '').subjectAltName ?? '', /DNS:api\.example\.org/);
});

test('changed usages and a changed subject are seen as well', async (t) => {
  const { store } = await newStore(t);
  await ensurePki(store.pki, few, new Date());
  const changed: CertificatePlan = {
    ...few,
    certificates: few.certificates.map((certificate) =>
      certificate.name === 'etcd-server/master01'
        ? { ...certificate, usages: ['server'] }
        : { ...certificate, organizations: ['other'] },
    ),
  };
  const report = await ensurePki(store.pki, changed, new Date());
  assert.deepEqual(
    report.certificates.map(({ reason }) => reason),
    ['other usages than planned', 'other subject than planned', 'other subject than planned'],
  );
});

test('a tampered leaf is issued again', async (t) => {
  const { store, pki } = await newStore(t);
  await ensurePki(store.pki, few, new Date());
  const path = join(pki, 'etcd-server', 'master01', '1.pem');
  const other = await readFile(join(pki, 'kube-apiserver', 'master01', '1.pem'), 'utf8');
  await writeFile(
    path,
    other.replace(/-----BEGIN PRIVATE[^]*/, '') + (await readIssued(store.pki, 'etcd-server/master01')).privateKey,
  );
  const report = await ensurePki(store.pki, few, new Date());
  assert.equal(outcomes(report)['etcd-server/master01'], 'reissued');
  await openssl('x509', '-in', join(pki, 'etcd-server', 'master01', '2.pem'), '-noout');
});

test('a leaf of another authority is issued again', async (t) => {
  const { store, pki } = await newStore(t);
  const other = await newStore(t);
  await ensurePki(store.pki, few, new Date());
  await ensurePki(other.store.pki, few, new Date());
  const path = join('etcd-server', 'master01', '1.pem');
  await writeFile(join(pki, path), await readFile(join(other.pki, path)));
  const report = await ensurePki(store.pki, few, new Date());
  assert.equal(report.certificates[0]?.reason, 'not signed by the present etcd-ca');
});

test('a leaf is renewed from 30 days before its end, never beyond its authority', async (t) => {
  const { store } = await newStore(t);
  const start = Date.parse('2021-02-08T10:00:00Z');
  const at = (days: number): Date => new Date(start + days * DAY_MS);
  await ensurePki(store.pki, few, at(0));
  assert.equal(outcomes(await ensurePki(store.pki, few, at(334)))['etcd-server/master01'], 'reused');
  assert.equal(outcomes(await ensurePki(store.pki, few, at(336)))['etcd-server/master01'], 'reissued');
  const late = await ensurePki(store.pki, few, at(3640));
  assert.equal(late.certificates[0]?.notAfter, late.authorities.find(({ name }) => name === 'etcd-ca')?.notAfter);
  assert.equal(outcomes(await ensurePki(store.pki, few, at(3641)))['etcd-server/master01'], 'reused');
  await assert.rejects(ensurePki(store.pki, few, at(3651)), /authority .*-ca expired on 2031-02-06/);
});

test('an authority is never replaced: damaged or lost, it is an error that says what to restore', async (t) => {
  const { store, pki } = await newStore(t);
  await ensurePki(store.pki, few, new Date());
  const authority = join(pki, 'etcd-ca', '1.pem');
  await writeFile(authority, 'garbage');
  await assert.rejects(ensurePki(store.pki, few, new Date()), (error: Error) => {
    assert.ok(error instanceof PkiError);
    assert.match(error.message, /etcd-ca is not a certificate with its own private key: restore it from a backup/);
    return true;
  });
  await rm(authority);
  await assert.rejects(
    ensurePki(store.pki, few, new Date()),
    /authority etcd-ca is missing .* but etcd-server\/master01, which it signed, is there/,
  );
  assert.deepEqual(await readdir(join(pki, 'etcd-ca')), []);
});

test('two workers at once end with one PKI, whoever was first', async (t) => {
  const { store } = await newStore(t);
  const [a, b] = await Promise.all([ensurePki(store.pki, few, new Date()), ensurePki(store.pki, few, new Date())]);
  const prints = (report: PkiReport): unknown => entries(report).map(({ name, sha256 }) => [name, sha256]);
  assert.deepEqual(prints(a), prints(b));
  for (const { name } of entries(a)) {
    const created = [outcomes(a)[name], outcomes(b)[name]].filter((outcome) => outcome === 'created');
    assert.equal(created.length, 1, `${name} was created once`);
    assert.equal((await store.pki.newest(name))?.generation, 1);
  }
});

test('keys lie in files of 0600 in directories of 0700, and not in the report', async (t) => {
  const { store, pki } = await newStore(t);
  const report = await ensurePki(store.pki, few, new Date());
  for (const entry of await readdir(pki, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
  assert.doesNotMatch(JSON.stringify(report), /PRIVATE|BEGIN/);
});
