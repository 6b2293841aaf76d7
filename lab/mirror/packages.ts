import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageSet } from '../../cluster/artifacts.js';
import { baseRecipe } from '../base-recipe.js';
import { type Apt, packageOfFile } from './apt.js';
import { sha256OfFile } from './content.js';
import type { Step } from './step.js';

const CLOSURES = 'closures.json';

/** Package -> the files, as apt names them, that it brings beyond a bare cloud image. */
export type Closures = Readonly<Record<string, readonly string[]>>;

/**
 * Output: what apt says each of `packages` brings beyond a bare cloud image, which has the required packages, apt, and
 * the packages of the lab's base image.
 */
export function closureStep(apt: Apt, codename: string, packages: readonly string[]): Step {
  const base = ['?priority(required)', 'apt', ...baseRecipe(codename, 'amd64').packages];
  return {
    name: 'package-closures',
    recipe: { base, packages, lists: apt.lists },
    code: [import.meta.filename],
    inputs: {},
    run: async ({ output, detail }) => {
      const present = new Set(await apt.closure(base));
      const closures: Record<string, readonly string[]> = {};
      for (const name of packages) {
        detail(name);
        closures[name] = (await apt.closure([...base, name])).filter((file) => !present.has(file)).sort();
      }
      await writeFile(join(output, CLOSURES), JSON.stringify(closures));
    },
  };
}

/** What a {@link closureStep} left in its output directory. */
export async function readClosures(output: string): Promise<Closures> {
  return JSON.parse(await readFile(join(output, CLOSURES), 'utf8')) as Closures;
}

/** Output: the files of all closures, as {@link mirrorName} names them. Apt's names carry the versions, so they are the recipe. */
export function packageStep(apt: Apt, closures: Closures): Step {
  const files = [...new Set(Object.values(closures).flat())].sort();
  return {
    name: 'packages',
    recipe: files,
    code: [import.meta.filename],
    inputs: {},
    run: async ({ output, scratch }) => {
      await apt.download(files.map(packageOfFile), scratch);
      for (const file of await readdir(scratch)) await rename(join(scratch, file), join(output, mirrorName(file)));
    },
  };
}

/** Name of a package file in the mirror: as in Debian's own archive, without the epoch that apt writes as `1%3a`. */
export function mirrorName(file: string): string {
  return file.replace(/_\d+%3a/, '_');
}

/** The lock file's entries for packages whose files stand in `directory` and will stand under `prefix` in the mirror. */
export async function packageSets(
  closures: Closures,
  directory: string,
  distribution: string,
  prefix: string,
): Promise<PackageSet[]> {
  const entry = async (file: string): Promise<PackageSet['files'][number]> => ({
    path: `${prefix}/${mirrorName(file)}`,
    sha256: await sha256OfFile(join(directory, mirrorName(file))),
  });
  return Promise.all(
    Object.entries(closures).map(async ([name, files]) => ({
      distribution,
      arch: 'amd64' as const,
      name,
      files: await Promise.all(files.map(entry)),
    })),
  );
}
