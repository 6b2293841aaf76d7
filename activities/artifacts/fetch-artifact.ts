import type { Artifact } from '../../cluster/artifacts.js';
import { type ArtifactCache, type CachedFile, DigestMismatch, pinOf } from './artifact-cache.js';
import { ArtifactError } from './artifact-error.js';
import { SharedWork } from '../shared-work.js';
import { addressOf, type ArtifactSource, boundOf, openSource, STALL_TIMEOUT_MS, tooLarge } from './source.js';

export interface FetchProgress {
  readonly artifact: string;
  /** Bytes so far. */
  readonly received: number;
  /** Bytes in all, where the source says how many. */
  readonly total: number | undefined;
}

export interface FetchOptions {
  readonly cache: ArtifactCache;
  /** Directory or http(s) URL of the official layout that takes the official sites' place. */
  readonly mirror?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece that arrives; a caller that joined another's download hears nothing. */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
  /** Longest time without a byte, in milliseconds; 30 s by default. */
  readonly stallTimeoutMs?: number;
}

const downloads = new SharedWork<CachedFile>();

/**
 * Brings an artifact into the cache, verified while it arrives; a cached one is not fetched again. Calls of one process
 * for the same artifact share one download.
 *
 * @throws ArtifactError: `retryable` for a connection that failed, stalled or ended early and for an answer of 5xx;
 *   permanent for a missing file, another digest than the lock file's, a larger file, and a mirror that cannot be used.
 */
export async function fetchArtifact(artifact: Artifact, options: FetchOptions): Promise<CachedFile> {
  const path = options.cache.pathOf(artifact);
  return downloads.join(path, options.signal, async (signal) => {
    return (await options.cache.find(path, pinOf(artifact))) ?? (await download(artifact, path, options, signal));
  });
}

async function download(
  artifact: Artifact,
  path: string,
  { cache, mirror, onProgress, stallTimeoutMs = STALL_TIMEOUT_MS }: FetchOptions,
  signal: AbortSignal,
): Promise<CachedFile> {
  const mirrored = mirror !== undefined;
  const source = await openSource(artifact, addressOf(artifact, mirror), { mirrored, signal, stallTimeoutMs });
  try {
    return await cache.store(path, counted(artifact, source, signal, onProgress), pinOf(artifact));
  } catch (error) {
    if (!(error instanceof DigestMismatch)) throw error;
    throw new ArtifactError(
      `artifact ${artifact.name}: ${source.address} is not the file of the lock file (${error.message}): replace the file, or correct the lock file if the change is meant`,
      { retryable: false, cause: error },
    );
  }
}

async function* counted(
  artifact: Artifact,
  { address, content, size }: ArtifactSource,
  signal: AbortSignal,
  onProgress: FetchOptions['onProgress'],
): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of content) {
    signal.throwIfAborted();
    received += chunk.byteLength;
    if (received > boundOf(artifact)) throw tooLarge(artifact, address, `more than ${boundOf(artifact)}`);
    onProgress?.({ artifact: artifact.name, received, total: size });
    yield chunk;
  }
}
