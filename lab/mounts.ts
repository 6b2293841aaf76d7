import { readFile } from 'node:fs/promises';
import { execa } from 'execa';

/** One line of /proc/self/mountinfo, proc_pid_mountinfo(5). */
export interface Mount {
  /** Directory within the mounted file system that is the root of this mount. */
  root: string;
  mountPoint: string;
  type: string;
  /** Device, or the name that the mount was given in its place. */
  source: string;
}

/** Reads the text of a mountinfo file, in mount order. */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, mountPoint] = before.split(' ');
    const [type, source] = after.split(' ');
    if (root === undefined || mountPoint === undefined || type === undefined || source === undefined) return [];
    return [{ root: unescape(root), mountPoint: unescape(mountPoint), type, source }];
  });
}

/** The machine's mounts, in mount order. */
export async function mounts(): Promise<Mount[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Whether something is mounted exactly at `directory`. */
export async function isMounted(directory: string): Promise<boolean> {
  return (await mounts()).some(({ mountPoint }) => mountPoint === directory);
}

/**
 * Unmounts everything at and below `directory`, newest first. A mount that is still in use is detached: it goes when
 * its last user does, and is in nobody's way until then.
 */
export async function unmountBelow(directory: string): Promise<void> {
  const points = (await mounts())
    .map(({ mountPoint }) => mountPoint)
    .filter((point) => point === directory || point.startsWith(`${directory}/`));
  for (const point of points.reverse()) {
    await execa('umount', ['--no-canonicalize', point]).catch(() => execa('umount', ['--lazy', point]));
  }
}

/** Spaces and the like are written as octal escapes. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
