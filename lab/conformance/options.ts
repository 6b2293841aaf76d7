import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Selection } from './selection.js';

/** What a run is asked for. */
export interface Options {
  readonly kubeconfig: string;
  readonly results: string;
  readonly kubernetes?: string;
  readonly sample: number;
  readonly seed: string;
  readonly always: readonly RegExp[];
  readonly all?: true;
  readonly focus?: RegExp;
  readonly skip?: RegExp;
  readonly procs: number;
  readonly specMinutes: number;
  readonly minutes: number;
}

/** Of each of these, a sample has one: the API server reaches pods by a webhook, by an aggregated API, and by its proxy. */
export const always: readonly RegExp[] = [
  /AdmissionWebhook .* should (be able to deny|mutate|honor|unconditionally)/,
  /Aggregator Should be able to support the 1\.17 Sample API Server/,
  /Proxy version v1/,
];

/** Adds the options of a run to a command. */
export function conformanceOptions(command: Command): Command {
  return command
    .description("runs Kubernetes' own conformance tests against a cluster, and says what passed")
    .requiredOption('--kubeconfig <file>', 'the way to the cluster, as an administrator')
    .requiredOption('--results <directory>', 'where logs, JUnit reports and result.json go')
    .option('--kubernetes <version>', 'what the cluster must run')
    .addOption(new Option('--all', 'run all of them').conflicts(['sample', 'focus']))
    .addOption(
      new Option('--focus <pattern>', 'run those whose name matches').argParser(pattern).conflicts(['sample', 'all']),
    )
    .option('--sample <n>', 'run so many, drawn by the seed', atLeastOne, 40)
    .option('--seed <seed>', 'draws the sample; repeats it', new Date().toISOString().slice(0, 10))
    .addOption(
      new Option('--always <pattern>', 'draw one that matches, too; may be repeated')
        .argParser((text: string, previous: readonly RegExp[]) => [...previous, pattern(text)])
        .default(always, 'a webhook, an aggregated API, the proxy'),
    )
    .option('--skip <pattern>', 'select none whose name matches', pattern)
    .option('--procs <n>', 'tests side by side', atLeastOne, 4)
    .option('--spec-minutes <n>', 'longest time of one test', atLeastOne, 10)
    .option('--minutes <n>', 'longest time of all', atLeastOne, 90);
}

/** Which tests the options ask for. */
export function selectionOf(options: Options): Selection {
  if (options.all === true) return { kind: 'all' };
  if (options.focus !== undefined) return { kind: 'focus', pattern: options.focus };
  return { kind: 'sample', size: options.sample, seed: options.seed, always: options.always };
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function atLeastOne(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('use a whole number from 1 on.');
  return number;
}
