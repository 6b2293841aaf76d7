import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { type ArtifactLock, artifactLockSchema } from '../../cluster/artifacts.js';
import { artifactStep } from '../../lab/mirror/content.js';
import { lockText, writeLock } from '../../lab/mirror/lock.js';
import { plan } from '../../lab/mirror/plans/v1.20.2.js';
import { prerequisites } from '../../lab/mirror/prerequisites.js';
import type { Step } from '../../lab/mirror/step.js';
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
  images: [{ reference: 'registry.k8s.io/pause:3.2', artifact: 'image-pause' }],
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

void test('the lock of the official releases is valid and has every program that the mirror has', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../cluster/locks/v1.20.2.yaml'), 'utf8');
  const official = artifactLockSchema.parse(parse(text));
  const programs = plan.artifacts.filter(({ content }) => content.kind !== 'image');
  assert.deepEqual(
    official.artifacts.map(({ name }) => name),
    programs.map(({ name }) => name),
  );
  for (const { name, url, version } of official.artifacts) assert.ok(url.includes(version), `${name}: ${url}`);
});

void test('each artifact of the plan has a name, an address that names its version, and sources that exist', () => {
  const names = plan.artifacts.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, url, version } of plan.artifacts) assert.ok(url.includes(version), `${name}: ${url}`);
  const step: Step = { name: 'any', recipe: {}, code: [], inputs: {}, run: () => Promise.resolve() };
  const sources = Object.fromEntries(Object.keys(plan.sources).map((name) => [name, step]));
  for (const artifact of plan.artifacts) artifactStep(artifact, sources);
  const [artifact] = plan.artifacts;
  assert.ok(artifact);
  assert.throws(() => artifactStep(artifact, {}), /kubernetes-server refers to an unknown source "kubernetes"/);
});

void test('the prerequisites of the plan name its compilers', () => {
  const needed = prerequisites(plan);
  for (const name of ['golang-1.19-go', 'dpkg-dev', 'gcc']) assert.ok(needed.includes(name), name);
  assert.deepEqual(needed, [...new Set(needed)].sort());
});
