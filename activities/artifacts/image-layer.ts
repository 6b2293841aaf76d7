import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Artifact } from '../../cluster/artifacts.js';
import { ArtifactError } from './artifact-error.js';
import { fetchArtifact, type FetchOptions } from './fetch-artifact.js';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const indexSchema = z.object({
  manifests: z.array(z.object({ digest, platform: z.object({ os: z.string(), architecture: z.string() }) })).min(1),
});
const manifestSchema = z.object({ layers: z.array(z.object({ digest })).min(1) });

/**
 * The last layer of an image, for programs that are released in no other way: it is what a build adds to its base. The
 * chain from the pinned index to the layer is one of sha256 digests, each checked (OCI image and distribution
 * specifications, https://github.com/opencontainers/image-spec, .../distribution-spec).
 *
 * @param artifact - its `url` is `https://REGISTRY/v2/NAME/manifests/sha256:DIGEST`, of an index of platforms
 * @returns the layer as an artifact of format tar.gz
 * @throws ArtifactError as `fetchArtifact` does, and for what is no such index
 */
export async function imageLayer(artifact: Artifact, options: FetchOptions): Promise<Artifact> {
  const index = await readDocument(artifact, indexSchema, options);
  const image = index.manifests.find(
    ({ platform }) => platform.os === 'linux' && platform.architecture === artifact.arch,
  );
  if (image === undefined) throw unusable(artifact, `an index without linux/${artifact.arch}`);
  const manifest = await readDocument(part(artifact, 'manifests', image.digest), manifestSchema, options);
  const layer = manifest.layers.at(-1);
  if (layer === undefined) throw unusable(artifact, 'an image without a layer');
  return { ...part(artifact, 'blobs', layer.digest), format: 'tar.gz' };
}

/** Another object of the artifact's repository. */
function part(
  { sha512: _pin, size: _size, ...artifact }: Artifact,
  kind: 'manifests' | 'blobs',
  named: string,
): Artifact {
  const url = artifact.url.replace(/\/manifests\/[^/]+$/, `/${kind}/${named}`);
  return { ...artifact, url, sha256: named.slice('sha256:'.length) };
}

async function readDocument<T>(artifact: Artifact, schema: z.ZodType<T>, options: FetchOptions): Promise<T> {
  const { path } = await fetchArtifact(artifact, options);
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw unusable(artifact, 'no index or manifest of an image', cause);
  }
}

function unusable({ name, url }: Artifact, what: string, cause?: unknown): ArtifactError {
  return new ArtifactError(
    `artifact ${name} (${url}) has the right digest but is ${what}: correct its address and digest in the lock file`,
    { retryable: false, cause },
  );
}
