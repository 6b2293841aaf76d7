import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, lstat, readFile } from 'node:fs/promises';
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

interface Pin {
  readonly algorithm: Algorithm;
  readonly digest: string;
}

/** Digest that a lock entry is pinned by; sha256 where it has both. */
export function pinOf(artifact: Artifact): Pin {
  if (artifact.sha256 !== undefined) return { algorithm: 'sha256', digest: artifact.sha256 };
  if (artifact.sha512 !== undefined) return { algorithm: 'sha512', digest: artifact.sha512 };
  throw new RangeError(`artifact ${artifact.name} has no digest: a lock file pins each by sha256 or sha512`);
}

const recordSchema = z.strictObject({ sha256: z.string(), size: z.number() });

/**
 * Verified artifacts as `<directory>/<algorithm>/<digest>`, and their unpacked members as
 * `<directory>/members/<digest>/<member>`. Beside each file a small JSON record keeps its sha256 and size. Neither is
 * believed: a process hashes each file once, and again when it has changed.
 */
export class ArtifactCache {
  private readonly files: DurableFiles;
  /** What the files were when their digests were found right, by path. */
  private readonly verified = new Map<string, string>();

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

  /**
   * The file, if the cache has it whole. A file without its record (a crash came between), or with another digest than
   * the record or the pin has, counts as missing.
   */
  async find(path: string, pin?: Pin): Promise<CachedFile | undefined> {
    try {
      const record = recordSchema.parse(JSON.parse(await readFile(`${path}.json`, 'utf8')));
      if (pin?.algorithm === 'sha256' && pin.digest !== record.sha256) return undefined;
      const state = await stateOf(path);
      if (state?.size !== record.size) return undefined;
      if (this.verified.get(path) !== state.text) {
        const [sha256, pinned] = await digestsOf(path, pin);
        if (sha256 !== record.sha256 || (pin !== undefined && pinned !== pin.digest)) return undefined;
        this.verified.set(path, state.text);
      }
      return { path, ...record };
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
  async store(path: string, content: AsyncIterable<Uint8Array>, pin?: Pin): Promise<CachedFile> {
    await ensurePrivateDirectory(dirname(path));
    await this.files.sweep();
    return this.files.withTemporary(0o600, async (temporary, handle) => {
      const hashes = hashesFor(pin);
      const size = await drain(content, handle, hashes);
      const [sha256 = '', found = sha256] = hashes.map((hash) => hash.digest('hex'));
      const record = { sha256, size };
      if (pin !== undefined && found !== pin.digest) {
        throw new DigestMismatch(`${pin.algorithm} is ${found}, not ${pin.digest}`);
      }
      await this.files.publish(temporary, handle, path);
      await this.files.write(`${path}.json`, JSON.stringify(record), 0o600);
      const state = await stateOf(path);
      if (state !== undefined) this.verified.set(path, state.text);
      return { path, ...record };
    });
  }

  /** Reads a cached file. */
  read(file: Pick<CachedFile, 'path'>): NodeJS.ReadableStream & AsyncIterable<Buffer> {
    return createReadStream(file.path) as NodeJS.ReadableStream & AsyncIterable<Buffer>;
  }
}

/** A sha256, and what a pin needs beside it. */
function hashesFor(pin: Pin | undefined): Hash[] {
  const algorithms = new Set<Algorithm>(['sha256', pin?.algorithm ?? 'sha256']);
  return [...algorithms].map((algorithm) => createHash(algorithm));
}

/** The sha256 of a file, and the digest by which it is pinned. */
async function digestsOf(path: string, pin: Pin | undefined): Promise<[string, string]> {
  const hashes = hashesFor(pin);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>)
    for (const hash of hashes) hash.update(chunk);
  const [sha256 = '', pinned = sha256] = hashes.map((hash) => hash.digest('hex'));
  return [sha256, pinned];
}

/** What changes with a file; undefined for what is no file, such as a link to one. */
async function stateOf(path: string): Promise<{ text: string; size: number } | undefined> {
  const status = await lstat(path, { bigint: true });
  if (!status.isFile()) return undefined;
  return { text: [status.dev, status.ino, status.size, status.ctimeNs].join(' '), size: Number(status.size) };
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
