import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../../errors.js';
import type { Apt } from '../apt.js';
import type { DebianPackages } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';

/**
 * Output: the packages' files, unpacked over each other; no maintainer script runs.
 *
 * @param versions version of every package that is unpacked
 * @throws LabError if Debian meanwhile offers another upstream version than the plan names
 */
export function debianPackages(
  name: string,
  source: DebianPackages,
  apt: Apt,
  versions: Readonly<Record<string, string>>,
): Step {
  const [first = ''] = source.packages;
  const offered = versions[first] ?? '';
  if (source.upstream !== undefined && upstreamVersion(offered) !== source.upstream) {
    throw new LabError(
      `the plan builds "${name}" from ${first} ${source.upstream}, but apt offers ${offered}: change the version in the plan, everywhere it stands`,
    );
  }
  return {
    name,
    recipe: { kind: source.kind, versions },
    code: [import.meta.filename],
    inputs: {},
    run: async ({ output, scratch }) => {
      await apt.download(
        Object.entries(versions).map(([packageName, version]) => `${packageName}=${version}`),
        scratch,
      );
      for (const file of (await readdir(scratch)).sort()) {
        await run('dpkg-deb', ['--extract', join(scratch, file), output]);
      }
    },
  };
}

/** `1.6.20~ds1-1+deb12u3` and `1:1.4.7-1` without what Debian adds: epoch, revision, repacking. */
function upstreamVersion(version: string): string {
  return version.replace(/^\d+:/, '').replace(/[-+~].*$/, '');
}
