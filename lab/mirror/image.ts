import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ImageConfig } from './plan.js';
import { parentDirectories, type TarEntry, writeTar } from './tar.js';

/** The two blobs of an image of one layer, each with its digest in lower-case hexadecimal. */
export interface ImageBlobs {
  readonly layer: Blob;
  /** The image configuration (OCI image specification 1.1, config.md). */
  readonly config: Blob;
}

export interface Blob {
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** @param rootfs the image's files, paths relative to its root */
export async function imageBlobs(config: ImageConfig, rootfs: readonly TarEntry[]): Promise<ImageBlobs> {
  const layer = blob(await tarBuffer([...parentDirectories(rootfs), ...rootfs]));
  const description = {
    architecture: 'amd64',
    os: 'linux',
    created: '2021-01-01T00:00:00Z',
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.sha256}`] },
    history: [{ created: '2021-01-01T00:00:00Z', created_by: 'ha-kubernetes lab mirror' }],
  };
  return { layer, config: blob(Buffer.from(JSON.stringify(description))) };
}

/** A tar archive in memory. */
export async function tarBuffer(entries: readonly TarEntry[]): Promise<Buffer> {
  const output = new PassThrough();
  const [bytes] = await Promise.all([buffer(output), writeTar(entries, output)]);
  return bytes;
}

function blob(bytes: Buffer): Blob {
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}
