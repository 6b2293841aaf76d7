import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { say, withProgress } from '../progress.js';
import { run } from './run.js';

/** One unit of work whose output is a directory, kept under the hash of everything that decides it. */
export interface Step {
  readonly name: string;
  /** What decides the output, as JSON data: names, versions, arguments. */
  readonly recipe: unknown;
  /** Files of the compiled modules that do the work: when they change, so may the output. */
  readonly code: readonly string[];
  readonly inputs: Readonly<Record<string, Step>>;
  readonly run: (context: StepContext) => Promise<void>;
}

export interface StepContext {
  /** Empty directory to fill. */
  readonly output: string;
  /** Directory for intermediate files; removed afterwards. */
  readonly scratch: string;
  /** Output directory of each input. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Says what the step is busy with right now, for the progress line. */
  readonly detail: (text: string) => void;
}

/** The hash under which a step's output is kept: equal recipe, code and inputs give an equal hash. */
export function recipeHash(
  step: Pick<Step, 'name' | 'recipe'>,
  codeDigest: string,
  inputHashes: Readonly<Record<string, string>>,
): string {
  const inputs = Object.entries(inputHashes).sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(JSON.stringify([step.name, step.recipe, codeDigest, inputs]));
}

/**
 * Runs steps and keeps their outputs in `directory`. An output appears under its final name only once it is whole, so
 * a builder that was killed goes on where it was.
 */
export class Workshop {
  readonly #outputs = new Map<Step, Promise<string>>();
  readonly #hashes = new Map<Step, Promise<string>>();

  constructor(private readonly directory: string) {}

  /** Output directory of `step`: the kept one, or a new one. */
  output(step: Step): Promise<string> {
    return remember(this.#outputs, step, () => this.#make(step));
  }

  /** Removes what killed builders left behind; the work of one that still runs stays. */
  async sweep(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    for (const name of await readdir(this.directory)) {
      const pid = partialName.exec(name)?.[1];
      if (pid !== undefined && !(await isRunning(pid))) await removeTree(join(this.directory, name));
    }
  }

  /** Removes outputs of recipes that none of the steps seen so far has; the kept ones are all that the next run needs. */
  async prune(): Promise<void> {
    const wanted = new Set<string>();
    for (const [step, hash] of this.#hashes) wanted.add(outputName(step, await hash));
    for (const name of await readdir(this.directory)) {
      if (!wanted.has(name) && !partialName.test(name)) await removeTree(join(this.directory, name));
    }
  }

  #hash(step: Step): Promise<string> {
    return remember(this.#hashes, step, async () => {
      const inputs: Record<string, string> = {};
      for (const [name, input] of Object.entries(step.inputs)) inputs[name] = await this.#hash(input);
      const code = await Promise.all(step.code.map((file) => readFile(file)));
      return recipeHash(step, digest(Buffer.concat(code)), inputs);
    });
  }

  async #make(step: Step): Promise<string> {
    const target = join(this.directory, outputName(step, await this.#hash(step)));
    if (await exists(target)) {
      say(`${step.name}: already built`);
      return target;
    }
    const inputs: Record<string, string> = {};
    for (const [name, input] of Object.entries(step.inputs)) inputs[name] = await this.output(input);
    const partial = `${target}.partial-${process.pid}`;
    const output = join(partial, 'output');
    const scratch = join(partial, 'scratch');
    await mkdir(output, { recursive: true });
    await mkdir(scratch);
    let latest = '';
    try {
      await withProgress(step.name, () => step.run({ output, scratch, inputs, detail: (text) => (latest = text) }), {
        everySeconds: 10,
        detail: () => latest,
      });
      // The rename must not reach the disk before the files do: a kept output is trusted for ever.
      await run('sync', ['--file-system', output]);
      await moveInto(output, target);
    } finally {
      await removeTree(partial);
    }
    return target;
  }
}

const partialName = /\.partial-(\d+)$/;

function outputName(step: Step, hash: string): string {
  return `${step.name}-${hash.slice(0, 16)}`;
}

/** A second builder may have finished the same step first: its output is as good. */
async function moveInto(output: string, target: string): Promise<void> {
  await rename(output, target).catch(async (error: unknown) => {
    if (!(await exists(target))) throw error;
  });
}

async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

async function isRunning(pid: string): Promise<boolean> {
  return exists(`/proc/${pid}`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function remember<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
