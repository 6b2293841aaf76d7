import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import test from 'node:test';
import { extract } from 'tar-stream';
import { dockerArchive } from '../../lab/mirror/docker-archive.js';
import type { TarEntry } from '../../lab/mirror/tar.js';

const reference = 'registry.example/app:1.0';
const config = { Entrypoint: ['/bin/app'], Env: ['PATH=/bin'] };
const rootfs: TarEntry[] = [
  { kind: 'file', path: 'bin/app', mode: 0o755, content: Buffer.from('program') },
  { kind: 'symlink', path: 'bin/also', target: 'app' },
  { kind: 'directory', path: 'tmp', mode: 0o1777 },
];

interface Member {
  type: string;
  mode: number;
  owner: string;
  mtime: number;
  content: Buffer;
  link: string | null;
}

async function members(archive: Buffer): Promise<Map<string, Member>> {
  const found = new Map<string, Member>();
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) {
    const { name, type, mode, uid, gid, mtime, linkname } = entry.header;
    found.set(name, {
      type,
      mode,
      owner: `${uid}:${gid}`,
      mtime: mtime.getTime(),
      content: await buffer(entry),
      link: linkname,
    });
  }
  return found;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function json(member: Member | undefined): unknown {
  assert.ok(member);
  return JSON.parse(member.content.toString('utf8'));
}

void test('the manifest names the reference, and every file in the archive is what its digest says', async () => {
  const archive = await members(await dockerArchive(reference, config, rootfs));
  const [image] = json(archive.get('manifest.json')) as [{ Config: string; RepoTags: string[]; Layers: string[] }];
  assert.deepEqual(image.RepoTags, [reference]);
  const configuration = archive.get(image.Config);
  assert.ok(configuration);
  assert.equal(`${sha256(configuration.content)}.json`, image.Config);
  const [layerName = ''] = image.Layers;
  const layer = archive.get(layerName);
  assert.ok(layer);
  const { rootfs: layers, config: runtime } = json(configuration) as {
    rootfs: { type: string; diff_ids: string[] };
    config: unknown;
  };
  assert.deepEqual(layers, { type: 'layers', diff_ids: [`sha256:${sha256(layer.content)}`] });
  assert.deepEqual(runtime, config);
});

void test('the layer has the files, their parents, and nothing of the machine that built it', async () => {
  const archive = await members(await dockerArchive(reference, config, rootfs));
  const [image] = json(archive.get('manifest.json')) as [{ Layers: [string] }];
  const layer = await members(archive.get(image.Layers[0])?.content ?? Buffer.of());
  assert.deepEqual(
    [...layer].map(([path, { type, mode, link }]) => [path.replace(/\/$/, ''), type, mode.toString(8), link ?? '']),
    [
      ['bin', 'directory', '755', ''],
      ['bin/also', 'symlink', '777', 'app'],
      ['bin/app', 'file', '755', ''],
      ['tmp', 'directory', '1777', ''],
    ],
  );
  for (const { owner, mtime } of layer.values()) {
    assert.equal(owner, '0:0');
    assert.equal(mtime, Date.UTC(2021, 0, 1));
  }
});

void test('equal content in another order makes an equal archive', async () => {
  const one = await dockerArchive(reference, config, rootfs);
  const other = await dockerArchive(reference, config, rootfs.toReversed());
  assert.equal(sha256(one), sha256(other));
});
