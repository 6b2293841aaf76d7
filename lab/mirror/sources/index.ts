import { type Apt, packageOfFile } from '../apt.js';
import type { DebianPackages, Source } from '../plan.js';
import type { Step } from '../step.js';
import { debianPackages } from './debian-packages.js';
import { goModule } from './go-module.js';
import { kubernetesPrograms } from './kubernetes-programs.js';
import { kubernetesSource } from './kubernetes-source.js';
import { staticProgram } from './static-program.js';

/**
 * The step of every source, under its name.
 *
 * @throws RangeError if one stands before what it is made from
 */
export async function sourceSteps(
  sources: Readonly<Record<string, Source>>,
  apt: Apt,
  goCache: string,
): Promise<Record<string, Step>> {
  const steps: Record<string, Step> = {};
  // Asked once for all: each question costs apt a second.
  const candidates = await apt.candidates(
    Object.values(sources).flatMap((recipe) => (recipe.kind === 'debian-packages' ? recipe.packages : [])),
  );
  const versionsOf = async ({ packages, closure }: DebianPackages): Promise<Record<string, string>> =>
    Object.fromEntries(
      closure === undefined
        ? packages.map((wanted) => [wanted, candidates[wanted] ?? ''])
        : (await apt.closure(packages)).map((file): [string, string] => {
            const [name = '', version = ''] = packageOfFile(file).split('=');
            return [name, version];
          }),
    );
  const source = (name: string): Step => {
    const step = steps[name];
    if (step === undefined) throw new RangeError(`source "${name}" must stand in the plan before what is made from it`);
    return step;
  };
  for (const [name, recipe] of Object.entries(sources)) {
    switch (recipe.kind) {
      case 'debian-packages':
        steps[name] = debianPackages(name, recipe, apt, await versionsOf(recipe));
        break;
      case 'kubernetes-source':
        steps[name] = await kubernetesSource(name, recipe, apt, goCache);
        break;
      case 'kubernetes-programs':
        steps[name] = await kubernetesPrograms(name, recipe, source(recipe.source), goCache);
        break;
      case 'go-module':
        steps[name] = await goModule(name, recipe, goCache, recipe.cgo && source(recipe.cgo.libraries));
        break;
      case 'static-program':
        steps[name] = staticProgram(name, recipe, source(recipe.source));
        break;
    }
  }
  return steps;
}
