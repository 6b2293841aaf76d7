import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newestVersion } from '../../../lab/mirror/plans/index.js';
import { LabRun } from '../harness.js';
import { DisturbedRun, plannedChanges, type FinishedRun, type MadeFault } from './disturbed-run.js';
import { draw } from './draw.js';
import { beforeDeployment, differences, hosts, takePicture, type Picture } from './picture.js';
import {
  drawSteps,
  otherFaultsInTurn,
  pointIn,
  spread,
  undisturbed,
  type Fault,
  type Plan,
  type UndisturbedStep,
} from './points.js';

export type Kind = 'undisturbed' | 'every step' | 'one kill' | 'other faults';

/** One run of the matrix, as it is kept. */
export interface MatrixRun {
  readonly kind: Kind;
  readonly seconds: number;
  readonly faults: readonly MadeFault[];
  /** Why it did not end well, if it did not. */
  readonly failure?: string;
  /** By what it differs from an undisturbed run: nothing, if no effect came twice and nothing was left. */
  readonly differences: readonly string[];
}

/** What is to be done, all in all. */
export interface Extent {
  readonly seed: string;
  /** Steps whose worker is killed: all, or as many as this, drawn. */
  readonly sample?: number;
  readonly undisturbed: number;
  readonly singleKills: number;
  readonly otherFaults: number;
}

/** What has been done so far; a matrix goes on where it was. */
export interface Matrix {
  readonly extent: Extent;
  readonly steps: readonly UndisturbedStep[];
  readonly runs: readonly MatrixRun[];
  /** Tries of a step's kill that came too late, or met a step that had just ended. */
  readonly retries: Readonly<Record<string, number>>;
}

export interface Progress {
  readonly matrix: Matrix;
  readonly reference: Picture | undefined;
}

/** Faults in one run of several. */
const FAULTS_A_RUN = 10;
/** Kills of the worker in one run, at most. */
const KILLS_A_RUN = 14;
/** Tries of a step before the matrix gives up on meeting it. */
const MOST_RETRIES = 12;

export function emptyMatrix(extent: Extent): Progress {
  return { matrix: { extent, steps: [], runs: [], retries: {} }, reference: undefined };
}

/**
 * What the next run is for, or undefined when all is done: an undisturbed run first, then whatever has come least far, so
 * that a matrix that is stopped has something of each.
 */
export function nextKind(matrix: Matrix): Kind | undefined {
  const { extent, runs, steps } = matrix;
  const done = (kind: Kind): MatrixRun[] => runs.filter((run) => run.kind === kind && run.failure === undefined);
  const met = (kind: Kind): number => done(kind).flatMap(({ faults }) => faults.filter((fault) => fault.met)).length;
  if (steps.length === 0) return 'undisturbed';
  const wanted = wantedSteps(extent, steps).length;
  const parts: readonly { readonly kind: Kind; readonly part: number }[] = [
    { kind: 'every step', part: (wanted - openSteps(matrix).length) / wanted },
    { kind: 'one kill', part: met('one kill') / extent.singleKills },
    { kind: 'other faults', part: met('other faults') / extent.otherFaults },
    { kind: 'undisturbed', part: done('undisturbed').length / extent.undisturbed },
  ];
  // What is not wanted at all is 0 of 0.
  const [next] = parts.filter(({ part }) => part < 1).sort((one, other) => one.part - other.part);
  return next?.kind;
}

/** Steps whose worker is still to be killed in the middle of them. */
export function openSteps({ extent, steps, runs }: Pick<Matrix, 'extent' | 'steps' | 'runs'>): UndisturbedStep[] {
  const met = new Set(
    runs
      .filter(({ failure }) => failure === undefined)
      .flatMap(({ faults }) => faults.filter(({ fault }) => fault === 'worker'))
      .flatMap(({ step, met: aimed, alsoMet }) => [...(aimed ? [step] : []), ...alsoMet]),
  );
  return wantedSteps(extent, steps).filter(({ id }) => !met.has(id));
}

/** Steps whose worker is to be killed. */
export function wantedSteps({ seed, sample }: Extent, steps: readonly UndisturbedStep[]): readonly UndisturbedStep[] {
  if (sample === undefined) return steps;
  return [...steps].sort((a, b) => draw(seed, 'sample', a.id) - draw(seed, 'sample', b.id)).slice(0, sample);
}

/** What is to happen to the next run of a kind. */
export function nextPlan(kind: Kind, matrix: Matrix): Plan {
  const { extent, steps, runs, retries } = matrix;
  const { seed } = extent;
  const round = runs.filter((run) => run.kind === kind).length;
  switch (kind) {
    case 'undisturbed':
      return undisturbed;
    case 'every step': {
      const open = openSteps(matrix);
      const hopeless = open.filter(({ id }) => (retries[id] ?? 0) > MOST_RETRIES).map(({ id }) => id);
      if (hopeless.length > 0) throw new Error(`could not be met in ${MOST_RETRIES} tries: ${hopeless.join(', ')}`);
      return {
        steps: open,
        faults: Array<Fault>(KILLS_A_RUN).fill('worker'),
        point: (step, fault) => pointIn(step, fault, hosts, seed, retries[step.id] ?? 0),
      };
    }
    case 'one kill':
      return {
        steps: spread(steps, extent.singleKills, seed, kind)
          .slice(round % extent.singleKills)
          .slice(0, 1),
        faults: ['worker'],
        point: (step, fault) => pointIn(step, fault, hosts, seed, `${kind} ${round}`),
      };
    case 'other faults':
      return {
        steps: drawSteps(steps, seed, round),
        faults: otherFaultsInTurn(FAULTS_A_RUN, seed, round),
        point: (step, fault) => pointIn(step, fault, hosts, seed, round),
      };
  }
}

/**
 * Makes the next run on new hosts, with a new state store and a new Temporal server.
 *
 * @param logs - directory for the logs of a run that did not end well
 * @param signal - ends the run, which then does not count
 */
export async function nextRun(
  kind: Kind,
  { matrix, reference }: Progress,
  logs: string,
  signal: AbortSignal,
): Promise<Progress> {
  const plan = nextPlan(kind, matrix);
  // Some steps are over within one workflow task, which is lost only with what the worker was about to say of it.
  const lab = await LabRun.start({ lateWorker: kind === 'every step' });
  try {
    const file = await lab.clusterFile(newestVersion, '--without', 'node03', '--approvals', 'inventory');
    await beforeDeployment(lab);
    const finished = await DisturbedRun.play(lab, file, plan, signal);
    const planned = (await plannedChanges(lab, file)).map((change) => `not as wanted: ${change}`);
    const picture = await takePicture(lab);
    const found = [...planned, ...differences(reference ?? picture, picture)];
    if (found.length > 0) await keepLogs(lab, logs);
    return {
      matrix: add(matrix, kind, finished, found),
      reference: reference ?? picture,
    };
  } catch (error) {
    signal.throwIfAborted();
    await keepLogs(lab, logs);
    const failure = error instanceof Error ? error.message : String(error);
    const run: MatrixRun = { kind, seconds: 0, faults: [], failure, differences: [] };
    return { matrix: { ...matrix, runs: [...matrix.runs, run] }, reference };
  } finally {
    await lab.close();
  }
}

function add(matrix: Matrix, kind: Kind, run: FinishedRun, found: readonly string[]): Matrix {
  const retries = { ...matrix.retries };
  if (kind === 'every step') {
    const missed = [...run.late, ...run.faults.filter(({ met }) => !met)];
    for (const { step } of missed) retries[step] = (retries[step] ?? 0) + 1;
  }
  return {
    ...matrix,
    steps: matrix.steps.length > 0 ? matrix.steps : undisturbedSteps(run),
    runs: [...matrix.runs, { kind, seconds: run.seconds, faults: run.faults, differences: found }],
    retries,
  };
}

/** The points of the matrix come from here: every step that a run has, whatever it is. */
export function undisturbedSteps({ start, steps }: Pick<FinishedRun, 'start' | 'steps'>): UndisturbedStep[] {
  return steps.map(({ id, host, ...step }) => {
    const begin = Date.parse(step.start ?? '');
    return {
      id,
      ...(host === undefined ? {} : { host }),
      start: begin - start,
      duration: Date.parse(step.end ?? '') - begin,
    };
  });
}

async function keepLogs(lab: LabRun, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const name of ['worker.log', 'temporal.log', 'deploy.json']) {
    await cp(join(lab.directory, name), join(directory, name)).catch(() => undefined);
  }
  const { stdout } = await lab.startWorkflow('status', '--cluster', 'lab');
  await writeFile(join(directory, 'status.txt'), stdout);
}

/** Reads what an earlier call of {@link save} wrote, or begins anew. */
export async function load(directory: string, extent: Extent): Promise<Progress> {
  const text = await readFile(join(directory, 'progress.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return emptyMatrix(extent);
  const progress = JSON.parse(text) as Progress;
  if (JSON.stringify(progress.matrix.extent) !== JSON.stringify(extent)) {
    throw new Error(`${directory} has a matrix of another extent: ${JSON.stringify(progress.matrix.extent)}`);
  }
  return progress;
}

export async function save(directory: string, progress: Progress): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'progress.json');
  await writeFile(`${path}.new`, JSON.stringify(progress));
  await rename(`${path}.new`, path);
}
