import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { LabError } from '../errors.js';
import { labPaths } from '../paths.js';
import { buildMirror } from './mirror.js';
import type { MirrorPlan } from './plan.js';
import { plan as v1_20_2 } from './plans/v1.20.2.js';
import { prerequisites } from './prerequisites.js';

const plans: readonly MirrorPlan[] = [v1_20_2];

/** The cache that the lab shares with the deployer's artifacts: `ha-kubernetes` in the user's cache. */
function cacheDirectory(): string {
  return dirname(labPaths().cache);
}

/** Where the mirror of a Kubernetes version stands by default. */
export function defaultMirror(kubernetes: string): string {
  return join(cacheDirectory(), 'mirror', kubernetes);
}

/** `lab mirror`: fills an artifact mirror from Debian's packages and Go's modules. Results go to stdout, progress to stderr. */
export function mirrorCommand(): Command {
  return new Command('mirror')
    .description('build the artifacts of a Kubernetes version where the official releases cannot be downloaded')
    .option('--kubernetes <version>', 'version to build', v1_20_2.kubernetes)
    .option('--to <directory>', 'where the mirror stands (default: mirror/<version> in the cache)')
    .option('--prerequisites', 'only print the Debian packages that the build needs, one a line')
    .action(async (options: { kubernetes: string; to?: string; prerequisites?: true }) => {
      const plan = planOf(options.kubernetes);
      if (options.prerequisites === true) {
        console.log(prerequisites(plan).join('\n'));
        return;
      }
      const lock = await buildMirror(
        plan,
        join(cacheDirectory(), 'build'),
        options.to ?? defaultMirror(plan.kubernetes),
      );
      console.log(lock);
    });
}

function planOf(kubernetes: string): MirrorPlan {
  const plan = plans.find((candidate) => candidate.kubernetes === kubernetes);
  if (plan === undefined) {
    const known = plans.map((candidate) => candidate.kubernetes).join(', ');
    throw new LabError(
      `no plan builds Kubernetes "${kubernetes}": use one of ${known}, or add one to lab/mirror/plans`,
    );
  }
  return plan;
}
