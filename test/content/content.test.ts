import assert from 'node:assert/strict';
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ArtifactCatalog } from '../../activities/artifacts/artifact-catalog.js';
import { ensurePki, PkiError } from '../../activities/certificates/ensure-pki.js';
import { Content, type ReferencedContent } from '../../activities/content.js';
import { ensureRing } from '../../activities/encryption/key-ring.js';
import { openStateStore } from '../../activities/state-store/file-state-store.js';
import { artifactLockSchema, mirrorPath } from '../../cluster/artifacts.js';
import { seedPlan } from '../pki/seed.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const runc = Buffer.from('a runtime');

async function newContent(t: TestContext): Promise<Content> {
  const mirror = await temporaryDirectory(t);
  const lock = artifactLockSchema.parse({
    kubernetes: 'v1.20.2',
    artifacts: [
      {
        name: 'runc',
        version: '1',
        arch: 'amd64',
        url: 'https://example.org/runc',
        format: 'file',
        sha256: createHash('sha256').update(runc).digest('hex'),
      },
    ],
  });
  const path = join(mirror, mirrorPath({ url: 'https://example.org/runc' }));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, runc);
  const home = await temporaryDirectory(t);
  const state = await openStateStore({ HA_KUBERNETES_HOME: home });
  const store = await state.cluster('seed');
  await ensurePki(store.pki, seedPlan('admin'), new Date());
  await ensureRing(store.encryption);
  return new Content(
    store,
    new ArtifactCatalog(lock, { cache: await ArtifactCache.open(state.artifactsDirectory), mirror }),
  );
}

async function bytesOf(content: Content, wanted: ReferencedContent): Promise<Buffer> {
  const resolved = await content.resolve(wanted);
  const { sha256, size } = resolved;
  const opened = resolved.open();
  const bytes = Buffer.isBuffer(opened) ? opened : await buffer(opened);
  assert.equal(bytes.length, size);
  assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256);
  return bytes;
}

test('certificates, keys and artifacts resolve to their bytes, with digest and size', async (t) => {
  const content = await newContent(t);
  const certificate = new X509Certificate(await bytesOf(content, { kind: 'certificate', certificate: 'admin' }));
  const authority = new X509Certificate(await bytesOf(content, { kind: 'certificate', certificate: 'kubernetes-ca' }));
  assert.ok(certificate.checkIssued(authority));
  const key = await bytesOf(content, { kind: 'private-key', key: 'service-account' });
  const publicKey = await bytesOf(content, { kind: 'public-key', key: 'service-account' });
  assert.equal(createPublicKey(key).export({ type: 'spki', format: 'pem' }), publicKey.toString());
  assert.match(
    (await bytesOf(content, { kind: 'private-key', key: 'kubernetes-ca' })).toString(),
    /^-----BEGIN PRIVATE KEY/,
  );
  assert.deepEqual(await bytesOf(content, { kind: 'artifact', artifact: { artifact: 'runc' } }), runc);
});

test('a kubeconfig holds all that its user needs, and is the same at every call', async (t) => {
  const content = await newContent(t);
  const wanted = { kind: 'kubeconfig', server: 'https://127.0.0.1:6443', certificate: 'admin' } as const;
  const text = (await bytesOf(content, wanted)).toString();
  assert.equal((await bytesOf(content, wanted)).toString(), text);
  const config = new KubeConfig();
  config.loadFromString(text);
  assert.equal(config.getCurrentCluster()?.server, 'https://127.0.0.1:6443');
  const decode = (data: string | undefined): Buffer => Buffer.from(data ?? '', 'base64');
  const user = config.getCurrentUser();
  const certificate = new X509Certificate(decode(user?.certData));
  assert.equal(certificate.subject, 'O=ha-kubernetes:cluster-admins\nCN=kubernetes-admin');
  assert.equal(certificate.publicKey.equals(createPublicKey(decode(user?.keyData))), true);
  assert.ok(certificate.checkIssued(new X509Certificate(decode(config.getCurrentCluster()?.caData))));
});

test("the API server's encryption configuration has the cluster's key", async (t) => {
  const text = (await bytesOf(await newContent(t), { kind: 'encryption-config' })).toString();
  assert.match(text, /providers:\n\s+- secretbox:\n\s+keys:\n\s+- name: key1\n\s+secret: [A-Za-z0-9+/]{43}=\n/);
});

test('what was never issued, or has no certificate, is an error that names it', async (t) => {
  const content = await newContent(t);
  const cases: [ReferencedContent, RegExp][] = [
    [{ kind: 'certificate', certificate: 'scheduler/master01' }, /nothing named scheduler\/master01 in the PKI/],
    [{ kind: 'certificate', certificate: 'service-account' }, /service-account is a key pair without a certificate/],
  ];
  for (const [wanted, message] of cases) {
    await assert.rejects(content.resolve(wanted), (error: Error) => {
      assert.ok(error instanceof PkiError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /PRIVATE KEY/);
      return true;
    });
  }
});
