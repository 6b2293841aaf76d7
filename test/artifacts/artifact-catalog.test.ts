import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ArtifactCatalog } from '../../activities/artifacts/artifact-catalog.js';
import { ArtifactError } from '../../activities/artifacts/artifact-error.js';
import { loadLock, officialLock } from '../../activities/artifacts/artifact-lock.js';
import { type Artifact, artifactLockSchema, mirrorPath } from '../../cluster/artifacts.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const files = { './bridge': 'a bridge', 'bin/etcd': 'a store'.repeat(10_000), 'bin/etcdctl': 'a client' };

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

type Contents = Readonly<Record<string, string | Buffer>>;

async function archive(contents: Contents): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(contents)) tar.entry({ name }, content);
  tar.entry({ name: 'bin/latest', type: 'symlink', linkname: 'etcd' });
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

function artifactOf(name: string, bytes: Buffer, format: Artifact['format']): Artifact {
  return { name, version: '1', arch: 'amd64', url: `https://example.org/${name}`, sha256: sha256(bytes), format };
}

/** A catalog of a directory mirror with an archive `etcd`, a file `runc` and a broken archive `broken`. */
async function newCatalog(
  t: TestContext,
  inArchive: Contents = files,
): Promise<{ catalog: ArtifactCatalog; mirror: string }> {
  const mirror = await temporaryDirectory(t);
  const contents: [string, Buffer, Artifact['format']][] = [
    ['etcd', await archive(inArchive), 'tar.gz'],
    ['runc', Buffer.from('a runtime'), 'file'],
    ['broken', Buffer.from('no archive'), 'tar.gz'],
  ];
  const artifacts = contents.map(([name, bytes, format]) => artifactOf(name, bytes, format));
  for (const [index, [, bytes]] of contents.entries()) {
    const path = join(mirror, mirrorPath(artifacts[index] ?? { url: '' }));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
  const cache = await ArtifactCache.open(join(await temporaryDirectory(t), 'artifacts'));
  const lock = artifactLockSchema.parse({ kubernetes: 'v1.20.2', artifacts });
  return { catalog: new ArtifactCatalog(lock, { cache, mirror }), mirror };
}

test('whole artifacts and members of archives resolve to verified files with their digests', async (t) => {
  const { catalog } = await newCatalog(t);
  const resolved = await catalog.resolveAll([
    { artifact: 'etcd', member: 'bin/etcdctl' },
    { artifact: 'runc' },
    { artifact: 'etcd', member: 'bridge' },
    { artifact: 'etcd', member: 'bin/etcd' },
  ]);
  const texts = ['a client', 'a runtime', 'a bridge', 'a store'.repeat(10_000)];
  for (const [index, text] of texts.entries()) {
    const file = resolved[index];
    assert.ok(file);
    assert.equal(await readFile(file.path, 'utf8'), text);
    assert.deepEqual([file.sha256, file.size], [sha256(text), text.length]);
  }
});

test('a member is unpacked once, and again if its file was damaged', async (t) => {
  const { catalog } = await newCatalog(t);
  const wanted = { artifact: 'etcd', member: 'bin/etcd' };
  const file = await catalog.resolve(wanted);
  const { mtimeMs } = await stat(file.path);
  await Promise.all([catalog.resolve(wanted), catalog.resolve(wanted)]);
  assert.equal((await stat(file.path)).mtimeMs, mtimeMs);
  await truncate(file.path, 5);
  await catalog.resolve(wanted);
  assert.equal((await stat(file.path)).size, file.size);
});

test('a caller that loses interest while an archive is unpacked hears so, and nothing else fails', async (t) => {
  const { catalog } = await newCatalog(t, { ...files, large: Buffer.alloc(128 * 1024 * 1024) });
  const interest = new AbortController();
  // A failure that nobody listens to would end this test's process.
  const resolved = catalog.resolveAll([{ artifact: 'etcd', member: 'large' }], { signal: interest.signal });
  setTimeout(() => {
    interest.abort();
  }, 50);
  await assert.rejects(resolved, { name: 'AbortError' });
  await delay(200);
});

test('what is not there is a permanent error that names it', async (t) => {
  const { catalog } = await newCatalog(t);
  const cases: [Parameters<ArtifactCatalog['resolve']>[0], RegExp][] = [
    [{ artifact: 'flannel' }, /artifact flannel is not in the lock file, which has etcd, runc, broken/],
    [{ artifact: 'etcd', member: 'bin/zetcd' }, /has no regular file bin\/zetcd/],
    [{ artifact: 'etcd', member: 'bin/latest' }, /has no regular file bin\/latest/],
    [{ artifact: 'runc', member: 'x' }, /artifact runc has format file/],
    [{ artifact: 'broken', member: 'x' }, /has the right digest but is no readable tar.gz/],
  ];
  for (const [file, message] of cases) {
    await assert.rejects(catalog.resolve(file), (error: Error) => {
      assert.ok(error instanceof ArtifactError, String(error));
      assert.equal(error.retryable, false);
      assert.match(error.message, message);
      return true;
    });
  }
});

test('a lock file is read, and each of its mistakes is named with its place', async (t) => {
  const path = join(await temporaryDirectory(t), 'v1.20.2.yaml');
  const entry = (name: string, rest: string): string =>
    `  - { name: ${name}, version: "1", arch: amd64, url: "https://example.org/x", format: file, ${rest} }\n`;
  const pin = `sha256: ${'a'.repeat(64)}`;
  const write = (artifacts: string, rest = ''): Promise<void> =>
    writeFile(path, `kubernetes: v1.20.2\nartifacts:\n${artifacts}${rest}`);
  await write(entry('runc', pin));
  assert.equal((await loadLock(path)).artifacts[0]?.name, 'runc');
  const cases: [string, string, RegExp][] = [
    [entry('runc', 'sha256: abc'), '', /artifacts\.0\.sha256: a sha256 is 64 lower-case hexadecimal digits/],
    [entry('runc', 'extra: 1'), '', /artifacts\.0: /],
    [entry('runc', pin) + entry('runc', pin), '', /runc is there twice/],
    [
      entry('runc', pin),
      'images: [{ name: pause, reference: "example.org/pause:1", artifact: nothing }]',
      /pause refers to artifact nothing/,
    ],
    [entry('runc', pin), 'images: [{ name: pause, reference: "example.org/pause:1" }]', /pinned by @sha256:DIGEST/],
    ['  - {', '', /lock file .* cannot be used/],
  ];
  for (const [artifacts, rest, message] of cases) {
    await write(artifacts, rest);
    await assert.rejects(loadLock(path), message);
  }
  await assert.rejects(loadLock(`${path}.missing`), /ENOENT/);
});

test('a version without official digests is refused with the versions that have them, and with what else can be done', async () => {
  assert.equal((await loadLock(await officialLock('v1.20.2'))).kubernetes, 'v1.20.2');
  await assert.rejects(
    officialLock('v1.36.99'),
    /releases of Kubernetes v1\.36\.99 comes with this project: use one of v1\.20\.2, .*, or name a lock file .* artifacts\.lock/,
  );
});
