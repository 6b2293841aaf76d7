import { newestVersion } from '../../../lab/mirror/plans/index.js';
import { DARK_MS } from './faults.js';
import { openSteps, wantedSteps, type Matrix, type MatrixRun } from './matrix.js';
import { otherFaults, type Fault } from './points.js';

/** The figures of a matrix. */
export interface Figures {
  readonly steps: number;
  /** Steps during which the worker was killed. */
  readonly stepsMet: number;
  /** Among them those that a kill was aimed at; the others ran beside one. */
  readonly stepsAimedAt: number;
  readonly workerKills: number;
  readonly retries: number;
  readonly others: Readonly<Partial<Record<Fault, number>>>;
  readonly runs: number;
  readonly finished: number;
  readonly runsWithDifferences: number;
  readonly undisturbedSeconds: readonly number[];
  readonly singleKillSeconds: readonly number[];
  /** Seconds that a run through one kill of the worker took longer than an undisturbed one. */
  readonly extraMedian: number;
  readonly extraMost: number;
}

export function figures(matrix: Matrix): Figures {
  const { runs, extent, steps, retries } = matrix;
  const finished = runs.filter(({ failure }) => failure === undefined);
  const made = finished.flatMap(({ faults }) => faults).filter(({ met }) => met);
  const seconds = (kind: MatrixRun['kind']): number[] =>
    finished
      .filter((run) => run.kind === kind)
      .filter(({ faults }) => faults.every((fault) => fault.met))
      .map((run) => run.seconds);
  const plain = seconds('undisturbed');
  const extra = seconds('one kill').map((each) => each - median(plain));
  const wanted = wantedSteps(extent, steps);
  return {
    steps: wanted.length,
    stepsMet: wanted.length - openSteps(matrix).length,
    stepsAimedAt: new Set(made.filter(({ fault }) => fault === 'worker').map(({ step }) => step)).size,
    workerKills: made.filter(({ fault }) => fault === 'worker').length,
    retries: Object.values(retries).reduce((sum, each) => sum + each, 0),
    others: Object.fromEntries(otherFaults.map((kind) => [kind, made.filter(({ fault }) => fault === kind).length])),
    runs: runs.length,
    finished: finished.length,
    runsWithDifferences: finished.filter((run) => run.differences.length > 0).length,
    undisturbedSeconds: plain,
    singleKillSeconds: seconds('one kill'),
    extraMedian: median(extra),
    extraMost: Math.max(...extra),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? upper) + upper) / 2 : upper;
}

const names: Readonly<Record<Fault, string>> = {
  worker: 'worker killed',
  temporal: 'Temporal server killed',
  ssh: 'SSH sessions of a host ended',
  network: `network cable of a host out for ${DARK_MS / 1000} s`,
  power: `host without power for ${DARK_MS / 1000} s`,
  client: 'client killed, another attached',
};

/** The matrix as a page of bench/. */
export function page(matrix: Matrix): string {
  const { extent, runs } = matrix;
  const all = figures(matrix);
  const made = runs.flatMap(({ faults }, index) => faults.map((fault) => ({ ...fault, run: index + 1 })));
  const met = made.filter((fault) => fault.met);
  return [
    '# Killed anywhere, it finishes',
    '',
    `Deployments of three masters and two nodes at ${newestVersion} on the lab, each from nothing, with faults in the`,
    'middle of their steps. The steps are the ones that an undisturbed run reports; the moments are drawn by a seed. Every run has to end by',
    'itself, and its hosts, cluster and state store are compared with those of the undisturbed run (`picture.ts`). To',
    'repeat it:',
    '',
    '```',
    `node dist/test/lab/crash-matrix/main.js --seed ${extent.seed}`,
    '```',
    '',
    '| what | figure |',
    '| --- | ---: |',
    `| steps whose worker was killed in the middle of them | ${all.stepsMet} of ${all.steps} |`,
    `| among them steps that a kill was aimed at; the others ran beside one | ${all.stepsAimedAt} |`,
    `| kills of the worker in the middle of a step | ${all.workerKills} |`,
    `| tries that met no running step, and were made again | ${all.retries} |`,
    ...otherFaults.map((kind) => `| other faults: ${names[kind]} | ${all.others[kind] ?? 0} |`),
    `| runs that ended well by themselves | ${all.finished} of ${all.runs} |`,
    `| runs that differ from the undisturbed one | ${all.runsWithDifferences} |`,
    `| undisturbed runs, s | ${all.undisturbedSeconds.map(seconds).join(', ')} |`,
    `| runs with one kill of the worker, s | ${all.singleKillSeconds.map(seconds).join(', ')} |`,
    `| cost of one kill of the worker, median, s | ${seconds(all.extraMedian)} |`,
    `| cost of one kill of the worker, most, s | ${seconds(all.extraMost)} |`,
    '',
    '## Every fault',
    '',
    '| run | step | fault | after its start, s | to the end of the run, s | steps beside it |',
    '| ---: | --- | --- | ---: | ---: | ---: |',
    ...met.map(
      ({ run, step, fault, host, delayMs, secondsToEnd, alsoMet }) =>
        `| ${run} | ${step} | ${names[fault]}${host === undefined ? '' : ` (${host})`} | ${seconds(delayMs / 1000)} | ${seconds(secondsToEnd)} | ${alsoMet.length} |`,
    ),
    '',
  ].join('\n');
}

function seconds(value: number): string {
  return Number.isFinite(value) ? value.toFixed(1) : 'not measured';
}
