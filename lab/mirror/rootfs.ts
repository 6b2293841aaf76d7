import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { RootfsPart, SourceFile } from './plan.js';
import { run } from './run.js';
import type { TarEntry } from './tar.js';

/**
 * The files of an image, from its parts in order; a later part takes the place of an earlier one's file.
 *
 * @param outputs output directory of each source that the parts refer to
 */
export async function rootfsEntries(
  parts: readonly RootfsPart[],
  outputs: Readonly<Record<string, string>>,
): Promise<TarEntry[]> {
  const entries = new Map<string, TarEntry>();
  const put = (entry: TarEntry): void => void entries.set(entry.path, entry);
  const pathOf = (file: SourceFile): string => join(outputs[file.source] ?? '', file.path);
  for (const part of parts) {
    switch (part.kind) {
      case 'file':
        put({ kind: 'file', path: part.to, mode: part.mode ?? 0o755, content: { file: pathOf(part.from) } });
        break;
      case 'text':
        put({ kind: 'file', path: part.to, mode: part.mode, content: Buffer.from(part.text) });
        break;
      case 'symlink':
        put({ kind: 'symlink', path: part.to, target: part.target });
        break;
      case 'directory':
        put({ kind: 'directory', path: part.to, mode: part.mode });
        break;
      case 'tree':
        for (const entry of await treeEntries(outputs[part.source] ?? '', part.exclude)) put(entry);
        break;
      case 'busybox': {
        const binary = pathOf(part.from);
        put({ kind: 'file', path: 'bin/busybox', mode: 0o755, content: { file: binary } });
        for (const applet of (await run(binary, ['--list'])).split('\n')) {
          const provided = ['bin', 'sbin', 'usr/bin', 'usr/sbin'].some((place) => entries.has(`${place}/${applet}`));
          if (!provided) put({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' });
        }
        // What a shell in a pod expects; a tmp without the sticky bit would be no tmp.
        put({ kind: 'directory', path: 'tmp', mode: 0o1777 });
        break;
      }
    }
  }
  return [...entries.values()];
}

/** Files and links below `root`; directories appear as parents of what they hold. */
async function treeEntries(root: string, exclude: string | undefined): Promise<TarEntry[]> {
  const excluded = exclude === undefined ? undefined : new RegExp(exclude);
  const entries: TarEntry[] = [];
  for (const found of await readdir(root, { recursive: true, withFileTypes: true })) {
    const file = join(found.parentPath, found.name);
    const path = relative(root, file);
    if (excluded?.test(path) === true) continue;
    if (found.isSymbolicLink()) entries.push({ kind: 'symlink', path, target: await readlink(file) });
    if (found.isFile()) {
      const { mode } = await lstat(file);
      entries.push({ kind: 'file', path, mode: mode & 0o7777, content: { file } });
    }
  }
  return entries;
}
