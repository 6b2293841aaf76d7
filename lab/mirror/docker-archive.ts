import { imageBlobs, tarBuffer } from './image.js';
import type { ImageConfig } from './plan.js';
import type { TarEntry } from './tar.js';

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
  const blobs = await imageBlobs(config, rootfs);
  const configName = `${blobs.config.sha256}.json`;
  const layerName = `${blobs.layer.sha256}.tar`;
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [reference], Layers: [layerName] }]));
  return tarBuffer([
    { kind: 'file', path: configName, mode: 0o644, content: blobs.config.bytes },
    { kind: 'file', path: layerName, mode: 0o644, content: blobs.layer.bytes },
    { kind: 'file', path: 'manifest.json', mode: 0o644, content: manifest },
  ]);
}
