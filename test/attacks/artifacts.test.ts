import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import type { ArtifactError } from '../../activities/artifacts/artifact-error.js';
import { loadLock } from '../../activities/artifacts/artifact-lock.js';
import { extractMembers } from '../../activities/artifacts/extract-members.js';
import { fetchArtifact } from '../../activities/artifacts/fetch-artifact.js';
import type { Artifact } from '../../cluster/artifacts.js';
import { mirrorServer, type Answer } from '../artifacts/mirror-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const content = randomBytes(100_000);

function artifactOf(bytes: Buffer, rest: Partial<Artifact> = {}): Artifact {
  return {
    name: 'kubelet',
    version: 'v1.20.2',
    arch: 'amd64',
    url: 'https://dl.k8s.io/release/v1.20.2/bin/linux/amd64/kubelet',
    format: 'file',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    ...rest,
  };
}

async function openCache(t: TestContext): Promise<{ cache: ArtifactCache; directory: string }> {
  const directory = join(await temporaryDirectory(t), 'artifacts');
  return { cache: await ArtifactCache.open(directory), directory };
}

async function refusal(t: TestContext, artifact: Artifact, answer: Answer): Promise<ArtifactError & { sent: number }> {
  const { cache, directory } = await openCache(t);
  let sent = 0;
  const server = await mirrorServer(t, (request, response) => {
    response.on('close', () => (sent = response.socket?.bytesWritten ?? sent));
    answer(request, response);
  });
  const error = await fetchArtifact(artifact, { cache, mirror: server.url }).then(
    () => assert.fail('it was taken'),
    (reason: unknown) => reason as ArtifactError,
  );
  assert.deepEqual(await readdir(join(directory, 'tmp')), []);
  return Object.assign(error, { sent });
}

const endless: Answer = (_request, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    response.once('drain', more);
  };
  more();
};

test('a body without an end is cut at the size of the lock file', async (t) => {
  const error = await refusal(t, artifactOf(content, { size: content.length }), endless);
  assert.equal(error.retryable, false);
  assert.match(error.message, /has more than 100000 bytes, and not 100000: replace the file/);
});

test('a length that is too large is refused before anything is read', async (t) => {
  const answer: Answer = (_request, response) => {
    response.writeHead(200, { 'content-length': 16_000_000_000_000 }).write('x');
  };
  for (const artifact of [artifactOf(content, { size: content.length }), artifactOf(content)]) {
    assert.match((await refusal(t, artifact, answer)).message, /has 16000000000000 bytes, and not (100000|at most)/);
  }
});

test('a length that is too small does not let more in', async (t) => {
  const answer: Answer = (_request, response) => {
    response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n${'x'.repeat(1000)}`);
  };
  assert.equal((await refusal(t, artifactOf(content, { size: content.length }), answer)).name, 'Error');
});

test('a mirror is not followed elsewhere', async (t) => {
  for (const location of ['http://169.254.169.254/latest', 'https://example.org/', '/other', 'file:///etc/shadow']) {
    const error = await refusal(t, artifactOf(content), (_request, response) => {
      response.writeHead(302, { location }).end();
    });
    assert.equal(error.retryable, false);
    assert.match(error.message, /the mirror redirects/);
  }
});

test('an official site is followed neither to a weaker scheme nor in circles', async (t) => {
  const { cache } = await openCache(t);
  let location = '';
  const server = await mirrorServer(t, (_request, response) => {
    response.writeHead(302, { location }).end();
  });
  const official = artifactOf(content, { url: `${server.url}/kubelet` });
  for (const [to, why] of [
    ['ftp://127.0.0.1/', /less safe/],
    ['file:///etc/shadow', /less safe/],
    ['/again', /more than 5 times/],
    ['http://[', /no address/],
  ] as const) {
    location = to;
    await assert.rejects(fetchArtifact(official, { cache }), why);
  }
  const { fetch } = globalThis;
  t.after(() => (globalThis.fetch = fetch));
  globalThis.fetch = () =>
    Promise.resolve(new Response(null, { status: 302, headers: { location: 'http://127.0.0.1/' } }));
  await assert.rejects(
    fetchArtifact(artifactOf(content), { cache }),
    /redirects from https: to http:, which is less safe/,
  );
});

test('a cached file that was exchanged, with or without its record, is fetched again', async (t) => {
  const { cache, directory } = await openCache(t);
  const server = await mirrorServer(t, (_request, response) => response.end(content));
  const sha512 = createHash('sha512').update(content).digest('hex');
  const { sha256: _sha256, ...unpinned } = artifactOf(content);
  const fake = randomBytes(content.length);
  const fakeRecord = JSON.stringify({ sha256: createHash('sha256').update(fake).digest('hex'), size: fake.length });
  for (const artifact of [artifactOf(content), { ...unpinned, sha512 }]) {
    const { path } = await fetchArtifact(artifact, { cache, mirror: server.url });
    const resolved = async (reader: ArtifactCache): Promise<void> => {
      const file = await fetchArtifact(artifact, { cache: reader, mirror: server.url });
      assert.deepEqual(await readFile(file.path), content);
    };
    for (const exchange of [
      () => writeFile(path, fake),
      async () => {
        await writeFile(path, fake);
        await writeFile(`${path}.json`, fakeRecord);
      },
      async () => {
        await rename(path, `${path}.elsewhere`);
        await symlink(`${path}.elsewhere`, path);
      },
      () => writeFile(`${path}.json`, fakeRecord),
    ]) {
      await exchange();
      await resolved(cache);
      await exchange();
      await resolved(await ArtifactCache.open(directory));
    }
  }
});

test('what a killed download left is removed by the next one, and not only by the next start', async (t) => {
  const { cache, directory } = await openCache(t);
  const own = await (async () => {
    const server = await mirrorServer(t, (_request, response) => response.write('x'));
    const gone = new AbortController();
    const fetching = fetchArtifact(artifactOf(content), { cache, mirror: server.url, signal: gone.signal });
    const name = await until(async () => (await readdir(join(directory, 'tmp')))[0]);
    gone.abort();
    await fetching.catch(() => undefined);
    return name;
  })();
  const [place, , id] = own.split('.');
  const dead = `${place}.4194303.${id}`;
  await writeFile(join(directory, 'tmp', dead), 'half');
  await writeFile(join(directory, 'tmp', `0000000000000000.4194303.${id}`), 'of a worker elsewhere');
  await writeFile(join(directory, 'tmp', `${place}.${process.pid}.${id}`), 'of this worker');
  const server = await mirrorServer(t, (_request, response) => response.end(content));
  await fetchArtifact(artifactOf(content), { cache, mirror: server.url });
  assert.deepEqual(
    (await readdir(join(directory, 'tmp'))).sort(),
    [`0000000000000000.4194303.${id}`, `${place}.${process.pid}.${id}`].sort(),
  );
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function archive(
  ...entries: readonly (readonly [Partial<Header> & { name: string }, string | Buffer])[]
): Promise<Buffer> {
  const tar = pack();
  const chunks: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  })();
  for (const [header, bytes] of entries) tar.entry(header, bytes);
  tar.finalize();
  await reading;
  return gzipSync(Buffer.concat(chunks));
}

async function unpack(t: TestContext, bytes: Buffer, member: string): Promise<{ text: string; directory: string }> {
  const { cache, directory } = await openCache(t);
  const artifact = artifactOf(bytes, { format: 'tar.gz' });
  const server = await mirrorServer(t, (_request, response) => response.end(bytes));
  const whole = await fetchArtifact(artifact, { cache, mirror: server.url });
  const found = await extractMembers(cache, artifact, whole, [member]);
  return { text: await readFile(found.get(member)?.path ?? '', 'utf8'), directory };
}

test('an archive writes nothing but the wanted member, under the name that the cache gives it', async (t) => {
  const bytes = await archive(
    [{ name: '../../escaped' }, 'x'],
    [{ name: '/tmp/ha-kubernetes-escaped' }, 'x'],
    [{ name: 'bin/kubelet', type: 'symlink', linkname: '/etc/passwd' }, ''],
    [{ name: 'device', type: 'character-device' }, ''],
    [{ name: 'bin/kubelet' }, 'the first'],
    [{ name: 'bin/kubelet' }, 'a later one of that name'],
  );
  const { text, directory } = await unpack(t, bytes, 'bin/kubelet');
  assert.equal(text, 'the first');
  const outside = [join(directory, '..', '..', 'escaped'), join(directory, 'escaped'), '/tmp/ha-kubernetes-escaped'];
  for (const path of outside) await assert.rejects(stat(path), { code: 'ENOENT' });
  await assert.rejects(
    unpack(t, bytes, '../../escaped').then(({ directory }) => stat(join(directory, '..', 'escaped'))),
    {
      code: 'ENOENT',
    },
  );
  await assert.rejects(unpack(t, bytes, 'device'), /has no regular file device/);
});

test('an archive that unpacks to a thousand times its size is given up, wherever the bomb is', async (t) => {
  const bomb: readonly [Partial<Header> & { name: string }, Buffer] = [{ name: 'bomb' }, Buffer.alloc(200 * 1024 ** 2)];
  const wanted: readonly [Partial<Header> & { name: string }, string] = [{ name: 'bin/kubelet' }, 'x'];
  const behind = await archive(wanted, bomb);
  assert.equal((await unpack(t, behind, 'bin/kubelet')).text, 'x');
  await assert.rejects(unpack(t, await archive(bomb, wanted), 'bin/kubelet'), /unpacks to more than 30 times its size/);
  await assert.rejects(unpack(t, behind, 'missing'), /unpacks to more than 30 times its size/);
});

test('a lock file that is a secret file shows none of it', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'secret');
  for (const secret of [
    'API_TOKEN=s3cret-s3cret\nexport "x: [s3cret-s3cret',
    'root:$6$s3cret-s3cret:19000:0:99999:7:::\n\tx: [',
    '-----BEGIN PRIVATE KEY-----\ns3cret-s3cret: }\n',
    's3cret-s3cret: [*s3cret-s3cret]',
    '"s3cret-s3cret": &a 1\ns3cret-s3cret: 2\n s3cret-s3cret: 3',
    'a: &s3cret-s3cret [*s3cret-s3cret]',
    '{"kubernetes": "v1", "artifacts": [], "s3cret-s3cret": "s3cret-s3cret"}',
    'artifacts: s3cret-s3cret',
    '%s3cret-s3cret\n!!s3cret-s3cret x',
  ]) {
    await writeFile(path, secret);
    await assert.rejects(loadLock(path), (error: ArtifactError) => {
      assert.doesNotMatch(error.message, /s3cret-s3cret/, secret);
      assert.doesNotMatch(String(error.cause), /s3cret-s3cret/, secret);
      return true;
    });
  }
  await rm(path);
});
