import { copyFile, link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ArtifactLock, mirrorPath } from '../../cluster/artifacts.js';
import { say } from '../progress.js';
import { goCache, openApt, openWorkshop } from './cache.js';
import { artifactStep, builtFile } from './content.js';
import { debianRelease } from './debian-release.js';
import { LOCK_FILE, writeLock } from './lock.js';
import { closureStep, packageSets, packageStep, readClosures } from './packages.js';
import type { ArtifactPlan, MirrorPlan } from './plan.js';
import { sourceSteps } from './sources/index.js';

/**
 * Fills the mirror of a plan and writes its lock file last. What is there already is not built again.
 *
 * @param cache directory for sources, compiled packages and finished parts, which mirrors of several versions share
 * @param users all that has something built in that cache; see `Workshop.prune`
 * @param mirror directory of the official releases' layout
 * @returns path of the lock file
 * @throws LabError if a tool or package source is missing, with what to do
 */
export async function buildMirror(
  plan: MirrorPlan,
  cache: string,
  users: readonly string[],
  mirror: string,
): Promise<string> {
  const start = Date.now();
  const { distribution, codename } = await debianRelease();
  const apt = await openApt(cache, codename);
  const workshop = await openWorkshop(cache);
  const sources = await sourceSteps(plan.sources, apt, goCache(cache));
  const packed = plan.artifacts.map((artifact) => ({ artifact, step: artifactStep(artifact, sources) }));
  const closureOf = closureStep(apt, codename, plan.packages);
  await workshop.claim(plan.kubernetes, [...packed.map(({ step }) => step), closureOf]);

  const artifacts: ArtifactLock['artifacts'] = [];
  for (const { artifact, step } of packed) {
    const { file, sha256 } = await builtFile(await workshop.output(step));
    await place(file, join(mirror, mirrorPath(artifact)));
    const { name, version, url, content } = artifact;
    artifacts.push({
      name,
      version,
      arch: 'amd64',
      url,
      sha256,
      size: (await stat(file)).size,
      format: content.kind === 'tar.gz' ? 'tar.gz' : 'file',
    });
  }

  const closures = await readClosures(await workshop.output(closureOf));
  const packagesOf = packageStep(apt, closures);
  await workshop.claim(plan.kubernetes, [packagesOf]);
  const packages = await workshop.output(packagesOf);
  const prefix = `packages/${distribution}`;
  for (const file of await readdir(packages)) await place(join(packages, file), join(mirror, prefix, file));

  const lock = join(mirror, LOCK_FILE);
  await writeLock(lock, {
    kubernetes: plan.kubernetes,
    artifacts,
    images: plan.artifacts.flatMap(imageOf),
    packages: await packageSets(closures, packages, distribution, prefix),
  });
  await workshop.prune(plan.kubernetes, users);
  say(`mirror of Kubernetes ${plan.kubernetes} in ${mirror}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return lock;
}

function imageOf({ name, content }: ArtifactPlan): ArtifactLock['images'] {
  return content.kind === 'image' ? [{ name: content.image, reference: content.reference, artifact: name }] : [];
}

/** Puts a built file into the mirror, whole or not at all, without a second copy where the file system allows it. */
async function place(file: string, target: string): Promise<void> {
  const built = await stat(file);
  const present = await stat(target).catch(() => undefined);
  if (present?.size === built.size && present.mtimeMs === built.mtimeMs) return;
  const partial = `${target}.partial-${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  await rm(partial, { force: true });
  await link(file, partial).catch(async () => {
    await copyFile(file, partial);
    await utimes(partial, built.atime, built.mtime);
  });
  await rename(partial, target);
}
