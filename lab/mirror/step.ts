import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
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
 * a builder that was killed goes on where it was. Several users (the mirrors of several versions) share one directory:
 * a step that two of them have runs once, and an output stays as long as one of them needs it.
 */
export class Workshop {
  readonly #outputs = new Map<Step, Promise<string>>();
  readonly #hashes = new Map<Step, Promise<string>>();
  /** One file a user: the names of the outputs that it needs. */
  readonly #needs: string;

  constructor(private readonly directory: string) {
    this.#needs = join(directory, NEEDS);
  }

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

  /**
   * Notes, before they are built, that `user` needs the outputs of `steps` and of their inputs: from now on no other
   * builder prunes them.
   */
  async claim(user: string, steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#hash(step);
    await this.#writeNeeds(user, [...(await this.#neededBy(user)), ...(await this.#seen())]);
  }

  /**
   * Removes outputs that nobody needs any more. `user` needs those of the steps seen so far: all that its next run
   * will ask for. What others claimed stays.
   *
   * @param users all users that there still are; the claims of others are void
   */
  async prune(user: string, users: readonly string[]): Promise<void> {
    await this.#writeNeeds(user, await this.#seen());
    for (const name of await readdir(this.#needs)) {
      if (!users.includes(name) && !partialName.test(name)) await removeTree(join(this.#needs, name));
    }
    const wanted = new Set((await Promise.all(users.map((one) => this.#neededBy(one)))).flat());
    for (const name of await readdir(this.directory)) {
      if (name === NEEDS || wanted.has(name) || partialName.test(name)) continue;
      await removeTree(join(this.directory, name));
    }
  }

  async #seen(): Promise<string[]> {
    return Promise.all([...this.#hashes].map(async ([step, hash]) => outputName(step, await hash)));
  }

  async #neededBy(user: string): Promise<string[]> {
    const text = await readFile(join(this.#needs, user), 'utf8').catch(() => '');
    return text.split('\n').filter((name) => name !== '');
  }

  async #writeNeeds(user: string, names: readonly string[]): Promise<void> {
    const file = join(this.#needs, user);
    const partial = `${file}.partial-${process.pid}`;
    await mkdir(this.#needs, { recursive: true });
    await writeFile(partial, [...new Set(names)].sort().join('\n'));
    await rename(partial, file);
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

const NEEDS = 'needs';

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
