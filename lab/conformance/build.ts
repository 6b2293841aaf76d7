import { goCache, openApt, openWorkshop } from '../mirror/cache.js';
import { debianRelease } from '../mirror/debian-release.js';
import { conformanceUser } from '../mirror/index.js';
import type { GoModule, MirrorPlan } from '../mirror/plan.js';
import { GO } from '../mirror/plans/parts.js';
import { goModule } from '../mirror/sources/go-module.js';
import { sourceSteps } from '../mirror/sources/index.js';
import { imageStep } from './image-step.js';
import { images, imageSources } from './images.js';
import { type Suite, suiteIn, suiteModule } from './suite.js';

/** The registry without what stores images in clouds. */
const registryModule: GoModule = {
  kind: 'go-module',
  module: 'github.com/distribution/distribution/v3',
  version: 'v3.1.2',
  go: GO,
  programs: { registry: './cmd/registry' },
  dropImports: {
    file: 'cmd/registry/main.go',
    packages: ['azure', 'gcs', 'middleware/cloudfront', 's3-aws'].map(
      (driver) => `github.com/distribution/distribution/v3/registry/storage/driver/${driver}`,
    ),
  },
};

/** Where the cache is and who has something in it; see `Workshop.prune`. */
export interface BuildCache {
  readonly directory: string;
  readonly users: readonly string[];
}

/** Builds the suite of a version, unless it is there. */
export async function buildSuite(kubernetes: string, cache: BuildCache): Promise<Suite> {
  const workshop = await openWorkshop(cache.directory);
  const step = await goModule('conformance-suite', suiteModule(kubernetes), goCache(cache.directory));
  const user = conformanceUser('suite', kubernetes);
  await workshop.claim(user, [step]);
  const suite = suiteIn(await workshop.output(step));
  await workshop.prune(user, cache.users);
  return suite;
}

/** What serves the suite's images: the registry's program, and each repository's image as an image step leaves it. */
export interface ImageParts {
  readonly registry: string;
  readonly images: ReadonlyMap<string, string>;
}

/** Builds the images of a version's suite and the registry that serves them, unless they are there. */
export async function buildImages(plan: MirrorPlan, cache: BuildCache): Promise<ImageParts> {
  const user = conformanceUser('images', plan.kubernetes);
  const workshop = await openWorkshop(cache.directory);
  const apt = await openApt(cache.directory, (await debianRelease()).codename);
  const sources = await sourceSteps({ ...imageSources(plan), registry: registryModule }, apt, goCache(cache.directory));
  const { registry } = sources;
  if (registry === undefined) throw new RangeError('the sources lack the registry');
  const steps = Object.entries(images).map(
    ([repository, image]) => [repository, imageStep(repository, image, sources)] as const,
  );
  await workshop.claim(user, [registry, ...steps.map(([, step]) => step)]);
  const built = new Map<string, string>();
  for (const [repository, step] of steps) built.set(repository, await workshop.output(step));
  const program = `${await workshop.output(registry)}/registry`;
  await workshop.prune(user, cache.users);
  return { registry: program, images: built };
}
