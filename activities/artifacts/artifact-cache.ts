import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Artifact } from '../../cluster/artifacts.js';
import { DurableFiles, ensurePrivateDirectory, isErrno } from '../state-store/durable-files.js';

/** A file of known content on this machine. */
export interface CachedFile {
  readonly path: string;
  /** Hexadecimal. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Content that differs from what its name in the cache promises. */
export class DigestMismatch extends Error {}

type Algorithm = 'sha256' | 'sha512';

/** Digest that a lock entry is pinned by; sha256 where it has both. */
export function pinOf(artifact: Artifact): { algorithm: Algorithm; digest: string } {
  if (artifact.sha256 !== undefined) return { algorithm: 'sha256', digest: artifact.sha256 };
  if (artifact.sha512 !== undefined) return { algorithm: 'sha512', digest: artifact.sha512 };
  throw new RangeError(`artifact ${artifact.name} has no digest: a lock file pins each by sha256 or sha512`);
}

const recordSchema = z.strictObject({ sha256: z.string(), size: z.number() });

/**
 * Verified artifacts as `<directory>/<algorithm>/<digest>`, and their unpacked members as
 * `<directory>/members/<digest>/<member>`. Beside each file a small JSON record keeps its sha256 and size, so that
 * gigabytes need not be read again at every start.
 */
export class ArtifactCache {
  private readonly files: DurableFiles;

  private constructor(private readonly directory: string) {
    this.files = new DurableFiles(join(directory, 'tmp'));
  }

  /** Opens the cache and removes what killed downloads left behind. */
  static async open(directory: string): Promise<ArtifactCache> {
    await ensurePrivateDirectory(join(directory, 'tmp'));
    const cache = new ArtifactCache(directory);
    await cache.files.sweep();
    return cache;
  }

  pathOf(artifact: Artifact): string {
    const { algorithm, digest } = pinOf(artifact);
    return join(this.directory, algorithm, digest);
  }

  memberPath(artifact: Artifact, member: string): string {
    return join(this.directory, 'members', pinOf(artifact).digest, encodeURIComponent(member));
  }

  /** The file, if the cache has it whole. A file without its record (a crash came between) counts as missing. */
  async find(path: string): Promise<CachedFile | undefined> {
    try {
      const record = recordSchema.parse(JSON.parse(await readFile(`${path}.json`, 'utf8')));
      const { size } = await stat(path);
      return size === record.size ? { path, ...record } : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT') || error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
      throw error;
    }
  }

  /**
   * Writes a stream into the cache. The file gets its name only once all of it is on disk and its digest is right.
   *
   * @throws DigestMismatch if `pin` is given and the content is another; what the stream throws passes through.
   */
  async store(
    path: string,
    content: AsyncIterable<Uint8Array>,
    pin?: { algorithm: Algorithm; digest: string },
  ): Promise<CachedFile> {
    await ensurePrivateDirectory(dirname(path));
    return this.files.withTemporary(0o600, async (temporary, handle) => {
      const sha256 = createHash('sha256');
      const pinned = pin === undefined || pin.algorithm === 'sha256' ? undefined : createHash(pin.algorithm);
      const size = await drain(content, handle, pinned === undefined ? [sha256] : [sha256, pinned]);
      const record = { sha256: sha256.digest('hex'), size };
      const found = pinned?.digest('hex') ?? record.sha256;
      if (pin !== undefined && found !== pin.digest) {
        throw new DigestMismatch(`${pin.algorithm} is ${found}, not ${pin.digest}`);
      }
      await this.files.publish(temporary, handle, path);
      await this.files.write(`${path}.json`, JSON.stringify(record), 0o600);
      return { path, ...record };
    });
  }

  /** Reads a cached file. */
  read(file: Pick<CachedFile, 'path'>): NodeJS.ReadableStream & AsyncIterable<Buffer> {
    return createReadStream(file.path) as NodeJS.ReadableStream & AsyncIterable<Buffer>;
  }
}

async function drain(content: AsyncIterable<Uint8Array>, handle: FileHandle, hashes: readonly Hash[]): Promise<number> {
  let size = 0;
  for await (const chunk of content) {
    for (const hash of hashes) hash.update(chunk);
    await handle.writeFile(chunk);
    size += chunk.byteLength;
  }
  return size;
}
