import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { type ArtifactLock, artifactLockSchema } from '../../cluster/artifacts.js';
import { lockText, writeLock } from '../../lab/mirror/lock.js';
import { BENCH_ARTIFACT } from '../../cluster/benchmark.js';
import { plans } from '../../lab/mirror/plans/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const digest = 'a'.repeat(64);
const lock: ArtifactLock = {
  kubernetes: 'v1.20.2',
  artifacts: [
    {
      name: 'image-pause',
      version: '3.2',
      arch: 'amd64',
      url: 'https://images.ha-kubernetes.invalid/pause-3.2.tar',
      sha256: digest,
      format: 'file',
    },
  ],
  images: [{ name: 'pause', reference: 'registry.k8s.io/pause:3.2', artifact: 'image-pause' }],
  packages: [
    {
      distribution: 'debian-12',
      arch: 'amd64',
      name: 'socat',
      files: [{ path: 'packages/debian-12/socat_1.7.4.4-2_amd64.deb', sha256: digest }],
    },
  ],
};

void test('a written lock file reads back as what was written, and versions stay text', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeLock(join(directory, 'artifacts.lock.yaml'), lock);
  const text = await readFile(join(directory, 'artifacts.lock.yaml'), 'utf8');
  assert.deepEqual(artifactLockSchema.parse(parse(text)), lock);
  assert.deepEqual(await readdir(directory), ['artifacts.lock.yaml']);
});

void test('a lock that breaks the schema is not written', () => {
  const [artifact] = lock.artifacts;
  assert.ok(artifact);
  assert.throws(() => lockText({ ...lock, artifacts: [{ ...artifact, sha256: 'abc' }] }), /64 lower-case hexadecimal/);
});

void test('each lock of official releases is valid, and names what the mirror of its minor has', async () => {
  const directory = join(import.meta.dirname, '../../../cluster/locks');
  for (const file of await readdir(directory)) {
    const official = artifactLockSchema.parse(parse(await readFile(join(directory, file), 'utf8')));
    assert.equal(`${official.kubernetes}.yaml`, file);
    const minor = official.kubernetes.replace(/\d+$/, '');
    const plan = plans.find(({ kubernetes }) => kubernetes.startsWith(minor));
    assert.deepEqual(
      official.artifacts.map(({ name }) => name),
      plan?.artifacts
        // No digest of kube-bench's release is published where it could be read: whoever audits adds their own.
        .filter(({ name, content }) => content.kind !== 'image' && name !== BENCH_ARTIFACT)
        .map(({ name }) => name),
    );
    // An image is named by its digest alone.
    for (const { name, url, version, sha256 = '', format } of official.artifacts) {
      assert.ok(url.includes(format === 'oci-image' ? `sha256:${sha256}` : version), `${name}: ${url}`);
    }
  }
});
