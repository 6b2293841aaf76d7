import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ArtifactError } from '../../activities/artifacts/artifact-error.js';
import { fetchArtifact, type FetchProgress } from '../../activities/artifacts/fetch-artifact.js';
import { type Artifact, mirrorPath } from '../../cluster/artifacts.js';
import { freePort } from '../support/loopback.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { mirrorServer } from './mirror-server.js';

const content = randomBytes(300_000);
const artifact = artifactOf(content);

function artifactOf(bytes: Buffer, algorithm: 'sha256' | 'sha512' = 'sha256'): Artifact {
  return {
    name: 'kubelet',
    version: 'v1.20.2',
    arch: 'amd64',
    url: 'https://dl.k8s.io/release/v1.20.2/bin/linux/amd64/kubelet',
    format: 'file',
    [algorithm]: createHash(algorithm).update(bytes).digest('hex'),
  };
}

async function newCache(t: TestContext): Promise<{ cache: ArtifactCache; directory: string }> {
  const directory = join(await temporaryDirectory(t), 'artifacts');
  return { cache: await ArtifactCache.open(directory), directory };
}

/** Every regular file under the cache. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function failure(promise: Promise<unknown>): Promise<ArtifactError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ArtifactError, `an ArtifactError, not ${String(error)}`);
  return error;
}

test('an artifact is fetched from the mirror layout once, verified, and then found in the cache', async (t) => {
  const { cache } = await newCache(t);
  const server = await mirrorServer(t, (_request, response) => response.end(content));
  const progress: FetchProgress[] = [];
  const onProgress = (step: FetchProgress): void => void progress.push(step);
  const file = await fetchArtifact(artifact, { cache, mirror: server.url, onProgress });
  assert.deepEqual(await readFile(file.path), content);
  assert.equal(file.sha256, artifact.sha256);
  assert.equal(file.size, content.length);
  assert.deepEqual(server.requests, ['/dl.k8s.io/release/v1.20.2/bin/linux/amd64/kubelet']);
  assert.equal(progress.at(-1)?.received, content.length);
  assert.deepEqual(await fetchArtifact(artifact, { cache, mirror: server.url }), file);
  assert.equal(server.requests.length, 1);
});

test('an artifact pinned by sha512 alone is verified by it and reported with its sha256', async (t) => {
  const { cache } = await newCache(t);
  const server = await mirrorServer(t, (_request, response) => response.end(content));
  const file = await fetchArtifact(artifactOf(content, 'sha512'), { cache, mirror: server.url });
  assert.equal(file.sha256, artifact.sha256);
  const other = artifactOf(randomBytes(10), 'sha512');
  assert.match((await failure(fetchArtifact(other, { cache, mirror: server.url }))).message, /sha512 is /);
});

test('a directory mirror is copied and verified as well', async (t) => {
  const { cache, directory } = await newCache(t);
  const mirror = await temporaryDirectory(t);
  const path = join(mirror, mirrorPath(artifact));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  const file = await fetchArtifact(artifact, { cache, mirror });
  await writeFile(path, 'changed later');
  assert.deepEqual(await readFile(file.path), content);
  await rm(file.path);
  const tampered = await failure(fetchArtifact(artifact, { cache, mirror }));
  assert.equal(tampered.retryable, false);
  assert.match(tampered.message, /is not the file of the lock file \(sha256 is /);
  await rm(path);
  const missing = await failure(fetchArtifact(artifact, { cache, mirror }));
  assert.equal(missing.retryable, false);
  assert.match(missing.message, /is not in the mirror: add it/);
  assert.deepEqual(await readdir(join(directory, 'tmp')), []);
});

test('a tampered file is a permanent error and leaves nothing in the cache', async (t) => {
  const { cache, directory } = await newCache(t);
  const tampered = Buffer.from(content);
  tampered[1000] = (tampered[1000] ?? 0) ^ 1;
  const server = await mirrorServer(t, (_request, response) => response.end(tampered));
  const error = await failure(fetchArtifact(artifact, { cache, mirror: server.url }));
  assert.equal(error.retryable, false);
  assert.match(error.message, /sha256 is [0-9a-f]{64}, not [0-9a-f]{64}\): replace the file, or correct the lock file/);
  assert.deepEqual(await filesIn(directory), []);
});

test('a truncated answer is retryable and leaves nothing in the cache', async (t) => {
  const { cache, directory } = await newCache(t);
  let chunked = false;
  const server = await mirrorServer(t, (_request, response) => {
    if (!chunked) response.setHeader('content-length', content.length);
    response.write(content.subarray(0, 100_000), () => response.destroy());
  });
  for (chunked of [false, true]) {
    const error = await failure(fetchArtifact(artifact, { cache, mirror: server.url }));
    assert.equal(error.retryable, true);
    assert.match(error.message, /connection failed/);
  }
  assert.deepEqual(await filesIn(directory), []);
});

test('a source that sends nothing for too long is given up, before and after its first byte', async (t) => {
  const { cache, directory } = await newCache(t);
  let first = Buffer.alloc(0);
  const server = await mirrorServer(t, (_request, response) => {
    if (first.length > 0) response.write(first);
  });
  for (first of [Buffer.alloc(0), content.subarray(0, 1000)]) {
    const error = await failure(fetchArtifact(artifact, { cache, mirror: server.url, stallTimeoutMs: 200 }));
    assert.equal(error.retryable, true);
    assert.match(error.message, /no byte for 0\.2 s/);
  }
  assert.deepEqual(await filesIn(directory), []);
});

test('a slow source that keeps sending is waited for', async (t) => {
  const { cache } = await newCache(t);
  const server = await mirrorServer(t, (_request, response) => {
    let sent = 0;
    const timer = setInterval(() => {
      response.write(content.subarray(sent, sent + 50_000));
      sent += 50_000;
      if (sent >= content.length) {
        clearInterval(timer);
        response.end();
      }
    }, 100);
  });
  const file = await fetchArtifact(artifact, { cache, mirror: server.url, stallTimeoutMs: 400 });
  assert.equal(file.size, content.length);
});

test('an answer of 404 is permanent, of 500 retryable, and the next try may succeed', async (t) => {
  const { cache } = await newCache(t);
  const answers = [404, 500, 503, 429];
  const server = await mirrorServer(t, (_request, response) => {
    const status = answers.shift();
    response.statusCode = status ?? 200;
    response.end(status === undefined ? content : 'sorry');
  });
  const missing = await failure(fetchArtifact(artifact, { cache, mirror: server.url }));
  assert.equal(missing.retryable, false);
  assert.match(missing.message, /answered 404: correct the lock file, or add the file to the mirror/);
  for (const status of [500, 503, 429]) {
    const busy = await failure(fetchArtifact(artifact, { cache, mirror: server.url }));
    assert.equal(busy.retryable, true);
    assert.match(busy.message, new RegExp(`answered ${status}$`));
  }
  assert.equal((await fetchArtifact(artifact, { cache, mirror: server.url })).size, content.length);
});

test('a redirect of an official site is followed, and its address, which may be signed, is in no error', async (t) => {
  const { cache } = await newCache(t);
  let end: Buffer | undefined = content;
  const server = await mirrorServer(t, (request, response) => {
    if (request.url?.startsWith('/signed') === true) {
      if (end === undefined) response.destroy();
      else response.end(end);
      return;
    }
    response.writeHead(302, { location: '/signed?token=s3cret' }).end();
  });
  const official = { ...artifact, url: `${server.url}/kubelet` };
  for (end of [undefined, Buffer.from('other')]) {
    const error = await failure(fetchArtifact(official, { cache }));
    assert.doesNotMatch(error.message, /s3cret/);
  }
  end = content;
  assert.equal((await fetchArtifact(official, { cache })).size, content.length);
});

test('a connection that is refused is retryable', async (t) => {
  const { cache } = await newCache(t);
  const port = await freePort();
  const error = await failure(fetchArtifact(artifact, { cache, mirror: `http://127.0.0.1:${port}` }));
  assert.equal(error.retryable, true);
  assert.match(error.message, /connection failed \(ECONNREFUSED\)/);
});

test('a mirror with a password is refused without being shown', async (t) => {
  const { cache } = await newCache(t);
  for (const mirror of ['http://user:s3cret@mirror/', 'https://mirror/?token=s3cret', 'ftp://s3cret/', 'http://']) {
    const error = await failure(fetchArtifact(artifact, { cache, mirror }));
    assert.equal(error.retryable, false);
    assert.doesNotMatch(error.message, /s3cret/);
  }
});

test('callers at once share one download, and one that gives up does not end it for the other', async (t) => {
  const { cache } = await newCache(t);
  let finish: () => void = () => assert.fail('no request came');
  const server = await mirrorServer(t, (_request, response) => {
    response.write(content.subarray(0, 1000));
    finish = () => response.end(content.subarray(1000));
  });
  const abort = new AbortController();
  const impatient = fetchArtifact(artifact, { cache, mirror: server.url, signal: abort.signal });
  const patient = fetchArtifact(artifact, { cache, mirror: server.url });
  await new Promise((resolve) => setTimeout(resolve, 200));
  abort.abort(new Error('given up'));
  await assert.rejects(impatient, /given up/);
  finish();
  assert.equal((await patient).size, content.length);
  assert.equal(server.requests.length, 1);
});

test('a download that everybody gave up ends and leaves nothing in the cache', async (t) => {
  const { cache, directory } = await newCache(t);
  const closed = new Promise<void>((resolve) => {
    void mirrorServer(t, (request, response) => {
      response.write(content.subarray(0, 1000));
      request.on('close', resolve);
    }).then(async ({ url }) => {
      const signal = AbortSignal.timeout(200);
      await assert.rejects(fetchArtifact(artifact, { cache, mirror: url, signal }), { name: 'TimeoutError' });
    });
  });
  await closed;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(await filesIn(directory), []);
});

test('kill -9 in the middle of a download leaves no file under a final name', async (t) => {
  const { cache, directory } = await newCache(t);
  let whole = false;
  const server = await mirrorServer(t, (_request, response) => {
    response.setHeader('content-length', content.length);
    if (whole) response.end(content);
    else response.write(content.subarray(0, 200_000));
  });
  const child = spawn(process.execPath, [
    fileURLToPath(new URL('./fetch-once.js', import.meta.url)),
    ...[directory, server.url, JSON.stringify(artifact)],
  ]);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const left = await filesIn(directory);
  assert.equal(left.length, 1, 'the kill came in the middle of the download');
  assert.ok(left[0]?.startsWith(join(directory, 'tmp')), `only a temporary file: ${left.join(', ')}`);
  whole = true;
  assert.equal((await fetchArtifact(artifact, { cache, mirror: server.url })).sha256, artifact.sha256);
});
