import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootfsSources } from '../mirror/content.js';
import { imageBlobs } from '../mirror/image.js';
import type { Image } from '../mirror/plan.js';
import { rootfsEntries } from '../mirror/rootfs.js';
import type { Step } from '../mirror/step.js';

/** Media types of what an image consists of (OCI image specification 1.1, media-types.md). */
const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** A manifest as it is here: of one layer. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Name of the manifest's file in a step's output. */
export const MANIFEST = 'manifest.json';

/** Name of a blob's file in a step's output. */
export function blobFile(digest: string): string {
  return digest.replace('sha256:', '');
}

/**
 * Output: the image as a registry has it, its manifest and its blobs.
 *
 * @throws RangeError if the image takes files from a source that is not among `sources`
 */
export function imageStep(repository: string, image: Image, sources: Readonly<Record<string, Step>>): Step {
  const modules = ['content', 'image', 'rootfs', 'tar'].map((name) =>
    join(import.meta.dirname, '..', 'mirror', `${name}.js`),
  );
  return {
    name: `image-${repository.slice(repository.lastIndexOf('/') + 1)}`,
    recipe: image,
    code: [import.meta.filename, ...modules],
    inputs: Object.fromEntries(
      rootfsSources(image.rootfs).map((name) => {
        const step = sources[name];
        if (step === undefined) throw new RangeError(`image ${repository} refers to an unknown source "${name}"`);
        return [name, step];
      }),
    ),
    run: async ({ output, inputs }) => {
      const { config, layer } = await imageBlobs(image.config, await rootfsEntries(image.rootfs, inputs));
      const describe = (mediaType: string, { bytes, sha256 }: typeof config): Descriptor => ({
        mediaType,
        digest: `sha256:${sha256}`,
        size: bytes.length,
      });
      const manifest: Manifest = {
        schemaVersion: 2,
        mediaType: types.manifest,
        config: describe(types.config, config),
        layers: [describe(types.layer, layer)],
      };
      for (const { sha256, bytes } of [config, layer]) await writeFile(join(output, sha256), bytes);
      await writeFile(join(output, MANIFEST), JSON.stringify(manifest));
    },
  };
}
