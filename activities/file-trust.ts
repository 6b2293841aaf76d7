import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { quote } from './ssh/remote-command.js';

/** Permission bits with which others than the owner can read or change a file, and with which they can change it. */
export const OPEN_TO_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Why a file cannot be trusted: somebody else than its owner, who is us or root, may read it (where it is `secret`), or
 * change it, or exchange it because a directory above it is theirs. sshd(8) holds the same against keys (StrictModes).
 *
 * @returns one sentence with the fix, or undefined.
 * @throws the system's error if the file is not there.
 */
export async function distrust(path: string, { secret }: { readonly secret: boolean }): Promise<string | undefined> {
  const real = await realpath(path);
  const { uid, mode } = await lstat(real);
  const open = mode & (secret ? OPEN_TO_OTHERS : WRITABLE_BY_OTHERS);
  if (open !== 0) {
    return `${real} has mode ${octal(mode)}, so that others can ${secret ? 'read' : 'change'} it; run: chmod ${secret ? 'go-rwx' : 'go-w'} ${quote(real)}`;
  }
  return ownerProblem(real, uid) ?? parentProblem(dirname(real));
}

/** Why a directory, or one above it, lets others exchange what is in it; undefined when none does. */
export async function parentProblem(directory: string): Promise<string | undefined> {
  const { uid, mode } = await lstat(directory);
  // In a directory like /tmp nobody can rename or remove what is not theirs.
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    return `the directory ${directory} has mode ${octal(mode)}, so that others can exchange what is in it; run: chmod go-w ${quote(directory)}`;
  }
  const problem = ownerProblem(directory, uid);
  return problem !== undefined || directory === dirname(directory) ? problem : parentProblem(dirname(directory));
}

function ownerProblem(path: string, uid: number): string | undefined {
  const own = process.getuid?.() ?? 0;
  if (uid === own || uid === 0) return undefined;
  return `${path} belongs to user id ${uid}, not to us (${own}) or root; use a file of our own, or run: chown ${own} ${quote(path)}`;
}

/** A mode as chmod(1) writes it. */
export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
