import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import { LabError } from '../errors.js';
import { labPaths } from '../paths.js';
import { buildMirror } from './mirror.js';
import type { MirrorPlan } from './plan.js';
import { newestVersion, plans } from './plans/index.js';
import { prerequisites } from './prerequisites.js';
import { buildTool, type ToolName, tools } from './tool.js';

/** The cache that the lab shares with the deployer's artifacts: `ha-kubernetes` in the user's cache. */
export function cacheDirectory(): string {
  return dirname(labPaths().cache);
}

/** Where the mirror of a Kubernetes version stands by default. */
export function defaultMirror(kubernetes: string): string {
  return join(cacheDirectory(), 'mirror', kubernetes);
}

/** Where a tool of the lab stands once it is built: its programs, and the files that they read. */
export function toolDirectory(name: ToolName): string {
  return join(cacheDirectory(), 'tools', name);
}

/** Everything that has something built in the cache; see `Workshop.prune`. */
export function cacheUsers(): string[] {
  const versions = plans.map(({ kubernetes }) => kubernetes);
  const conformance = versions.flatMap((version) => [
    conformanceUser('suite', version),
    conformanceUser('images', version),
  ]);
  return [...versions, ...conformance, ...Object.keys(tools)];
}

/** Under what name a part of the conformance tests of a version is in the cache: the next patch takes its place. */
export function conformanceUser(part: 'suite' | 'images', kubernetes: string): string {
  return `conformance-${part}-${kubernetes.split('.').slice(0, 2).join('.')}`;
}

/** `lab mirror`: fills an artifact mirror from Debian's packages and Go's modules. Results go to stdout, progress to stderr. */
export function mirrorCommand(): Command {
  return new Command('mirror')
    .description('build the artifacts of a Kubernetes version where the official releases cannot be downloaded')
    .option('--kubernetes <version>', `version to build: ${known()}`, newestVersion)
    .option('--to <directory>', 'where the mirror stands (default: mirror/<version> in the cache)')
    .option('--prerequisites', 'only print the Debian packages that the builds need, one a line')
    .addOption(
      new Option('--tool <name>', 'build a tool of the lab instead, print where it stands').choices(Object.keys(tools)),
    )
    .action(async (options: { kubernetes: string; to?: string; prerequisites?: true; tool?: ToolName }) => {
      if (options.prerequisites === true) {
        console.log(prerequisites(plans).join('\n'));
        return;
      }
      const build = join(cacheDirectory(), 'build');
      const users = cacheUsers();
      if (options.tool !== undefined) {
        const place = toolDirectory(options.tool);
        await buildTool(options.tool, build, users, place);
        console.log(place);
        return;
      }
      const plan = planOf(options.kubernetes);
      console.log(await buildMirror(plan, build, users, options.to ?? defaultMirror(plan.kubernetes)));
    });
}

function known(): string {
  return plans.map(({ kubernetes }) => kubernetes).join(', ');
}

/** @throws LabError naming the versions that have a plan */
export function planOf(kubernetes: string): MirrorPlan {
  const plan = plans.find((candidate) => candidate.kubernetes === kubernetes);
  if (plan === undefined) {
    throw new LabError(
      `no plan builds Kubernetes "${kubernetes}": use one of ${known()}, or add one to lab/mirror/plans/index.ts`,
    );
  }
  return plan;
}
