import { posix } from 'node:path';
import type { ArtifactLock } from '../../cluster/artifacts.js';
import type { PackageSource } from '../host-state/packages.js';
import { ArtifactError } from './artifact-error.js';
import { fetchArtifact, type FetchOptions } from './fetch-artifact.js';

/**
 * Where a host's packages come from: the lock file's own for that distribution, fetched and checked; the host's own
 * package source where the lock file has none.
 *
 * @param distribution - `ID-VERSION_ID`, e.g. `debian-12`
 */
export async function packageSource(
  lock: ArtifactLock,
  distribution: string,
  names: readonly string[],
  options: FetchOptions,
): Promise<PackageSource> {
  const sets = lock.packages.filter((set) => set.distribution === distribution && names.includes(set.name));
  if (sets.length === 0) return { kind: 'distribution' };
  const wanted = new Map(
    sets.flatMap(({ files, arch }) => files.map((file) => [file.path, { ...file, arch }] as const)),
  );
  const fetched = new Map(
    await Promise.all(
      [...wanted.values()].map(async ({ path, sha256, arch }) => {
        // A mirror keeps a file of https://HOST/PATH under HOST/PATH; packages stand beside the hosts, by their path.
        const artifact = { name: path, version: '', arch, url: `https://${path}`, sha256, format: 'file' as const };
        return [path, { name: posix.basename(path), ...(await fetchArtifact(artifact, options)) }] as const;
      }),
    ),
  );
  return {
    kind: 'files',
    files: (name) => {
      const own = sets.filter((set) => set.name === name);
      if (own.length === 0) {
        throw new ArtifactError(
          `the artifact lock has packages for ${distribution}, and no ${name} among them; fill the mirror again, or install ${name} on the hosts`,
          { retryable: false },
        );
      }
      return own.flatMap(({ files }) => files.flatMap(({ path }) => fetched.get(path) ?? []));
    },
  };
}
