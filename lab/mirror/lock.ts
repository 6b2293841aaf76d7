import { rename, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { type ArtifactLock, artifactLockSchema } from '../../cluster/artifacts.js';

/** Name of the lock file at the root of a mirror. */
export const LOCK_FILE = 'artifacts.lock.yaml';

const header = `# What \`lab mirror\` built for this mirror. The addresses are those of the official releases, the digests are those of
# this machine's own builds: the file is good for this mirror and no other source.
`;

/** The text of a lock file, checked against its schema. */
export function lockText(lock: ArtifactLock): string {
  return header + stringify(artifactLockSchema.parse(lock), { lineWidth: 0 });
}

/** Writes the lock file in one move: a mirror never has half of one. */
export async function writeLock(file: string, lock: ArtifactLock): Promise<void> {
  const partial = `${file}.partial-${process.pid}`;
  await writeFile(partial, lockText(lock));
  await rename(partial, file);
}
