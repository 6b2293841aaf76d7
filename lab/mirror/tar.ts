import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { type Pack, pack as createPack } from 'tar-stream';

/** One member of an archive; owner root, one fixed time, so that equal content makes equal bytes. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Buffer | { file: string } }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number };

/** Start of 2021: a time that every tool accepts, and that says nothing. */
const mtime = new Date(Date.UTC(2021, 0, 1));

/** Writes `entries`, sorted by path, as a tar archive to `output`, which it ends. */
export async function writeTar(entries: readonly TarEntry[], output: Writable): Promise<void> {
  const archive = createPack();
  const written = pipeline(archive, output);
  const fill = async (): Promise<void> => {
    for (const entry of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) await add(archive, entry);
    archive.finalize();
  };
  await Promise.all([fill(), written]);
}

async function add(archive: Pack, entry: TarEntry): Promise<void> {
  const common = { name: entry.path, mtime, uid: 0, gid: 0, uname: 'root', gname: 'root' };
  if (entry.kind === 'symlink') {
    archive.entry({ ...common, type: 'symlink', linkname: entry.target, mode: 0o777 });
    return;
  }
  if (entry.kind === 'directory') {
    archive.entry({ ...common, type: 'directory', mode: entry.mode });
    return;
  }
  const header = { ...common, type: 'file' as const, mode: entry.mode };
  if (Buffer.isBuffer(entry.content)) {
    archive.entry({ ...header, size: entry.content.length }, entry.content);
    return;
  }
  const { size } = await stat(entry.content.file);
  await pipeline(createReadStream(entry.content.file), archive.entry({ ...header, size }));
}

/** The directories above `entries` that are not entries themselves. */
export function parentDirectories(entries: readonly TarEntry[]): TarEntry[] {
  const present = new Set(entries.map((entry) => entry.path));
  const missing = new Set<string>();
  for (const { path } of entries) {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      if (!present.has(parent)) missing.add(parent);
    }
  }
  return [...missing].map((path) => ({ kind: 'directory', path, mode: 0o755 }));
}
