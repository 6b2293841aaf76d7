import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ArtifactCatalog } from '../../activities/artifacts/artifact-catalog.js';
import { ArtifactError } from '../../activities/artifacts/artifact-error.js';
import { artifactLockSchema } from '../../cluster/artifacts.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { mirrorServer } from './mirror-server.js';

async function layerOf(name: string, content: string): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

const hexOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

/** A registry with one image of two layers for amd64, and a catalog whose lock file pins its index. */
async function registry(
  t: TestContext,
  change: { readonly arch?: string; readonly layer?: Buffer } = {},
): Promise<{ catalog: ArtifactCatalog; requests: string[] }> {
  const base = await layerOf('etc/os-release', 'a base');
  const program = await layerOf('proxy-server', 'a program');
  const manifest = json({
    schemaVersion: 2,
    layers: [base, program].map((bytes) => ({ digest: `sha256:${hexOf(bytes)}` })),
  });
  const platform = { os: 'linux', architecture: change.arch ?? 'amd64' };
  const index = json({ schemaVersion: 2, manifests: [{ digest: `sha256:${hexOf(manifest)}`, platform }] });
  const served = new Map([
    [`/registry.example.org/v2/proxy-server/manifests/sha256:${hexOf(index)}`, index],
    [`/registry.example.org/v2/proxy-server/manifests/sha256:${hexOf(manifest)}`, manifest],
    [`/registry.example.org/v2/proxy-server/blobs/sha256:${hexOf(base)}`, base],
    [`/registry.example.org/v2/proxy-server/blobs/sha256:${hexOf(program)}`, change.layer ?? program],
  ]);
  const { url, requests } = await mirrorServer(t, ({ url: path = '' }, response) => {
    const bytes = served.get(path);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  const lock = artifactLockSchema.parse({
    kubernetes: 'v1.37.1',
    artifacts: [
      {
        name: 'konnectivity-proxy-server',
        version: '0.34.0',
        arch: 'amd64',
        url: `https://registry.example.org/v2/proxy-server/manifests/sha256:${hexOf(index)}`,
        sha256: hexOf(index),
        format: 'oci-image',
      },
    ],
  });
  const cache = await ArtifactCache.open(join(await temporaryDirectory(t), 'artifacts'));
  return { catalog: new ArtifactCatalog(lock, { cache, mirror: url }), requests };
}

const wanted = { artifact: 'konnectivity-proxy-server', member: 'proxy-server' };

test('a program is taken out of the last layer of an image, and the image fetched once', async (t) => {
  const { catalog, requests } = await registry(t);
  const file = await catalog.resolve(wanted);
  assert.equal(await readFile(file.path, 'utf8'), 'a program');
  assert.equal(requests.length, 3, 'the index, the manifest and one layer');
  await catalog.resolve(wanted);
  assert.equal(requests.length, 3);
});

test('an image without the wanted platform, and a layer that is another, are refused for good', async (t) => {
  const permanent = (words: RegExp) => (error: unknown) =>
    error instanceof ArtifactError && !error.retryable && words.test(error.message);
  const { catalog: foreign } = await registry(t, { arch: 'arm64' });
  await assert.rejects(foreign.resolve(wanted), permanent(/without linux\/amd64/));
  const { catalog: changed } = await registry(t, { layer: await layerOf('proxy-server', 'another program') });
  await assert.rejects(changed.resolve(wanted), permanent(/is not the file of the lock file/));
});
