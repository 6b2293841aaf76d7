import { readFile } from 'node:fs/promises';
import { LabError } from '../errors.js';

/**
 * The release of Debian that this machine runs: as lock files name it, such as `debian-12`, and by its codename.
 *
 * @throws LabError if it is no Debian for amd64
 */
export async function debianRelease(): Promise<{ distribution: string; codename: string }> {
  const text = await readFile('/etc/os-release', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  if (field('ID') !== 'debian' || process.arch !== 'x64') {
    throw new LabError(
      `the mirror is built from Debian's packages for amd64, this machine is ${field('ID')} on ${process.arch}: use the official releases (cluster/locks) or build on Debian`,
    );
  }
  return { distribution: `debian-${field('VERSION_ID')}`, codename: field('VERSION_CODENAME') };
}
