import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Transform } from 'node:stream';
import { extract } from 'tar-stream';
import type { Artifact } from '../../cluster/artifacts.js';
import { type ArtifactCache, type CachedFile, pinOf } from './artifact-cache.js';
import { ArtifactError } from './artifact-error.js';
import { SharedWork } from '../shared-work.js';

const extractions = new SharedWork<ReadonlyMap<string, CachedFile>>();

/** How much an archive may unpack to: what programs pack to is a third or a fifth of them. */
const MOST_EXPANSION = 30;
const MOST_EXPANSION_OF_SMALL_ONES = 64 * 1024 ** 2;

/**
 * Unpacks members of a cached tar.gz into the cache, all in one pass; members that are there already are not unpacked
 * again.
 *
 * @returns the unpacked file of every member.
 * @throws ArtifactError, permanent, if the artifact has no such regular file.
 */
export async function extractMembers(
  cache: ArtifactCache,
  artifact: Artifact,
  archive: CachedFile,
  members: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, CachedFile>> {
  const key = JSON.stringify([pinOf(artifact).digest, ...members]);
  return extractions.join(key, signal, async (shared) => {
    const found = new Map<string, CachedFile>();
    for (const member of members) {
      const file = await cache.find(cache.memberPath(artifact, member));
      if (file !== undefined) found.set(member, file);
    }
    if (found.size < new Set(members).size) await unpack(cache, artifact, archive, members, found, shared);
    return found;
  });
}

/** Reads the archive up to the last wanted member and adds what it finds. */
async function unpack(
  cache: ArtifactCache,
  artifact: Artifact,
  archive: CachedFile,
  members: readonly string[],
  found: Map<string, CachedFile>,
  signal: AbortSignal,
): Promise<void> {
  const wanted = new Map(members.filter((member) => !found.has(member)).map((member) => [plainName(member), member]));
  const entries = extract();
  let complete = false;
  const reading = pipeline(cache.read(archive), createGunzip(), bounded(archive), entries, { signal }).catch(
    (error: unknown) => {
      // Stopping early breaks the pipeline on purpose.
      if (complete) return;
      throw signal.aborted ? error : unreadable(artifact, error);
    },
  );
  // Awaited below; until then a failure must not count as unheard, which would end the worker.
  reading.catch(() => undefined);
  try {
    for await (const entry of entries) {
      const name = plainName(entry.header.name);
      const member = wanted.get(name);
      if (member === undefined || entry.header.type !== 'file') {
        entry.resume();
        continue;
      }
      found.set(member, await cache.store(cache.memberPath(artifact, member), entry as AsyncIterable<Uint8Array>));
      wanted.delete(name);
      complete = wanted.size === 0;
      if (complete) break;
    }
  } finally {
    await reading;
  }
  const absent = [...wanted.values()];
  if (absent.length > 0) throw missing(artifact, absent);
}

/** Fails when more comes out of an archive than any honest one holds. */
function bounded({ size }: CachedFile): Transform {
  let left = Math.max(size * MOST_EXPANSION, MOST_EXPANSION_OF_SMALL_ONES);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      done(left < 0 ? new Error(`unpacks to more than ${MOST_EXPANSION} times its size`) : null, chunk);
    },
  });
}

/** Archives made in a directory name their members `./x`. */
function plainName(member: string): string {
  return member.replace(/^\.\//, '');
}

function missing({ name, url }: Artifact, members: readonly string[]): ArtifactError {
  return new ArtifactError(
    `artifact ${name} (${url}) has no regular file ${members.join(', ')}: correct the path, or the version in the lock file`,
    { retryable: false },
  );
}

function unreadable(artifact: Artifact, cause: unknown): ArtifactError {
  return new ArtifactError(
    `artifact ${artifact.name} (${artifact.url}) has the right digest but is no readable tar.gz (${cause instanceof Error ? cause.message : String(cause)}): correct its format in the lock file`,
    { retryable: false, cause },
  );
}
