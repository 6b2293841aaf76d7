import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ImageConfig } from './plan.js';
import { parentDirectories, type TarEntry, writeTar } from './tar.js';

/**
 * An image of one layer as a docker-archive, which `ctr images import` and `docker load` read: `manifest.json`, the
 * image configuration under its own digest, and the layer (format: moby's image specification 1.2).
 *
 * @param reference the full reference under which the runtime will know the image
 * @param rootfs the image's files, paths relative to its root
 */
export async function dockerArchive(
  reference: string,
  config: ImageConfig,
  rootfs: readonly TarEntry[],
): Promise<Buffer> {
  const layer = await tarBuffer([...parentDirectories(rootfs), ...rootfs]);
  const layerDigest = sha256(layer);
  const image = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created: '2021-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
      history: [{ created: '2021-01-01T00:00:00Z', created_by: 'ha-kubernetes lab mirror' }],
    }),
  );
  const configName = `${sha256(image)}.json`;
  const layerName = `${layerDigest}.tar`;
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [reference], Layers: [layerName] }]));
  return tarBuffer([
    { kind: 'file', path: configName, mode: 0o644, content: image },
    { kind: 'file', path: layerName, mode: 0o644, content: layer },
    { kind: 'file', path: 'manifest.json', mode: 0o644, content: manifest },
  ]);
}

async function tarBuffer(entries: readonly TarEntry[]): Promise<Buffer> {
  const output = new PassThrough();
  const [bytes] = await Promise.all([buffer(output), writeTar(entries, output)]);
  return bytes;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
