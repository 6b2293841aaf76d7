import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageSet } from '../../cluster/artifacts.js';
import { baseRecipe } from '../base-recipe.js';
import { type Apt, packageOfFile } from './apt.js';
import { sha256OfFile } from './content.js';
import type { Step } from './step.js';

/** Files of each wanted package that a bare cloud image lacks. */
export type Closures = Readonly<Record<string, readonly string[]>>;

/**
 * Asks apt what each of `packages` brings beyond a bare cloud image: the required packages, apt, and the packages of
 * the lab's base image.
 */
export async function packageClosures(apt: Apt, codename: string, packages: readonly string[]): Promise<Closures> {
  const base = ['?priority(required)', 'apt', ...baseRecipe(codename, 'amd64').packages];
  const present = new Set(await apt.closure(base));
  const closures: Record<string, readonly string[]> = {};
  for (const name of packages) {
    closures[name] = (await apt.closure([...base, name])).filter((file) => !present.has(file)).sort();
  }
  return closures;
}

/** Output: the files of all closures. Their names carry their versions, so the names are the recipe. */
export function packageStep(apt: Apt, closures: Closures): Step {
  const files = [...new Set(Object.values(closures).flat())].sort();
  return {
    name: 'packages',
    recipe: files,
    code: import.meta.filename,
    inputs: {},
    run: async ({ output, scratch }) => {
      await apt.download(files.map(packageOfFile), scratch);
      for (const file of await readdir(scratch)) await rename(join(scratch, file), join(output, file));
    },
  };
}

/** The lock file's entries for packages whose files stand in `directory` and will stand under `prefix` in the mirror. */
export async function packageSets(
  closures: Closures,
  directory: string,
  distribution: string,
  prefix: string,
): Promise<PackageSet[]> {
  return Promise.all(
    Object.entries(closures).map(async ([name, files]) => ({
      distribution,
      arch: 'amd64' as const,
      name,
      files: await Promise.all(
        files.map(async (file) => ({ path: `${prefix}/${file}`, sha256: await sha256OfFile(join(directory, file)) })),
      ),
    })),
  );
}
