import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { writeFormatted } from '../../../bench/write-formatted.js';
import { load, nextKind, nextRun, save, type Extent, type Matrix } from './matrix.js';
import { figures, page } from './report.js';

interface Options {
  readonly seed: string;
  readonly sample?: number;
  readonly undisturbed: number;
  readonly singleKills: number;
  readonly otherFaults: number;
  readonly minutes: number;
  readonly directory?: string;
  readonly output: string;
}

/** Runs that may fail before the matrix gives up: the others still tell something. */
const MOST_FAILED = 3;

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`"${text}" is no number`);
  return value;
};

const program = new Command('crash-matrix')
  .description(
    'Deploys on the lab again and again, with faults in the middle of every step; needs root, and a free lab.',
  )
  .requiredOption('--seed <text>', 'draws the moments; the same seed draws the same')
  .option('--sample <n>', 'kill the worker in this many steps only, drawn by the seed', count)
  .option('--undisturbed <n>', 'undisturbed runs, to compare with', count, 2)
  .option('--single-kills <n>', 'runs with one kill of the worker, to know what it costs', count, 5)
  .option('--other-faults <n>', 'faults of server, connections, hosts and client', count, 40)
  .option('--minutes <n>', 'start no run after this time; the same command goes on later', count, 240)
  .option('--directory <path>', 'where to keep what was done (default: one for the seed among temporary files)')
  .option('--output <directory>', 'where to write crash-matrix.md and crash-matrix.json', 'bench');

async function main(options: Options): Promise<void> {
  const directory = options.directory ?? join(tmpdir(), `ha-kubernetes-crash-matrix-${options.seed}`);
  const extent: Extent = {
    seed: options.seed,
    ...(options.sample === undefined ? {} : { sample: options.sample }),
    undisturbed: options.undisturbed,
    singleKills: options.singleKills,
    otherFaults: options.otherFaults,
  };
  let progress = await load(directory, extent);
  const stop = new AbortController();
  // Not once(): execa ends this process itself when it finds no other listener left.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort());
  const until = Date.now() + options.minutes * 60_000;
  for (let kind = nextKind(progress.matrix); kind !== undefined; kind = nextKind(progress.matrix)) {
    if (Date.now() > until || stop.signal.aborted) {
      say(`stopped; the same command goes on from ${directory}`);
      return;
    }
    const number = progress.matrix.runs.length + 1;
    const logs = join(directory, `run-${number}`);
    progress = await nextRun(kind, progress, logs, stop.signal);
    await save(directory, progress);
    await writeReport(options.output, progress.matrix);
    const run = progress.matrix.runs.at(-1);
    const met = run?.faults.filter((fault) => fault.met).length ?? 0;
    say(`run ${number} (${kind}): ${run?.seconds.toFixed(1)} s, ${met} of ${run?.faults.length} faults met their step`);
    for (const line of run?.differences.slice(0, 40) ?? []) say(`  differs: ${line}`);
    if (run?.failure !== undefined) say(`  did not end well (logs: ${logs}): ${run.failure}`);
    const failed = progress.matrix.runs.filter(({ failure }) => failure !== undefined).length;
    if (failed > MOST_FAILED) throw new Error(`${failed} runs did not end well`);
  }
  say(`all done: ${join(options.output, 'crash-matrix.md')}`);
}

/** After every run, so that a matrix that is stopped has its figures too. */
async function writeReport(directory: string, matrix: Matrix): Promise<void> {
  const result = { extent: matrix.extent, figures: figures(matrix), retries: matrix.retries, runs: matrix.runs };
  await mkdir(directory, { recursive: true });
  await writeFormatted(join(directory, 'crash-matrix.md'), page(matrix));
  await writeFormatted(join(directory, 'crash-matrix.json'), JSON.stringify(result));
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

program.parse();
try {
  await main(program.opts());
} catch (error) {
  say(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
