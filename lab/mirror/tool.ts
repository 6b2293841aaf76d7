import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { goCache, openWorkshop } from './cache.js';
import type { GoModule } from './plan.js';
import { GO } from './plans/parts.js';
import { goModule } from './sources/go-module.js';

/** Programs that can be built by themselves, for use beside a deployment. */
export const tools = {
  'kube-bench': {
    kind: 'go-module',
    module: 'github.com/aquasecurity/kube-bench',
    version: 'v0.15.6',
    go: GO,
    programs: { 'kube-bench': '.' },
    // The checks are files that the program reads when it runs.
    copy: ['cfg'],
    variables: { 'github.com/aquasecurity/kube-bench/cmd.KubeBenchVersion': 'v0.15.6' },
  },
} satisfies Readonly<Record<string, GoModule>>;

export type ToolName = keyof typeof tools;

/**
 * Builds a tool, unless it is there.
 *
 * @param cache as for mirrors, with which the tool shares compiled packages
 * @param users all that has something built in that cache; see `Workshop.prune`
 * @param place where the tool will stand: a link to what was built
 */
export async function buildTool(name: ToolName, cache: string, users: readonly string[], place: string): Promise<void> {
  const workshop = await openWorkshop(cache);
  const step = await goModule(name, tools[name], goCache(cache));
  await workshop.claim(name, [step]);
  const output = await workshop.output(step);
  const partial = `${place}.partial-${process.pid}`;
  await mkdir(dirname(place), { recursive: true });
  await rm(partial, { force: true });
  await symlink(relative(dirname(place), output), partial);
  await rename(partial, place);
  await workshop.prune(name, users);
}
