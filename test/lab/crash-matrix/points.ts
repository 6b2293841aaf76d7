import { draw, pick } from './draw.js';

/** What is broken; each comes back by itself or is put back by what broke it. */
export type Fault =
  /** kill -9 of the worker; started again as a supervisor would. */
  | 'worker'
  /** kill -9 of the Temporal server; started again on its database. */
  | 'temporal'
  /** Every SSH session of a host ends. */
  | 'ssh'
  /** A host's network cable is out for some seconds. */
  | 'network'
  /** A host loses its power, and is switched on again. */
  | 'power'
  /** kill -9 of the client; another one attaches. */
  | 'client';

export const otherFaults: readonly Fault[] = ['temporal', 'ssh', 'power', 'client', 'network'];

/** One step of an undisturbed run, children's steps included. */
export interface UndisturbedStep {
  readonly id: string;
  readonly host?: string;
  /** Milliseconds from the start of the run. */
  readonly start: number;
  readonly duration: number;
}

/** What is to happen to one run. */
export interface Plan {
  /** Steps that a fault may meet, each once; the ones that begin while another fault is at work are left alone. */
  readonly steps: readonly UndisturbedStep[];
  /** The faults, in the order in which they are made. */
  readonly faults: readonly Fault[];
  /** A fault in one of these steps. */
  readonly point: (step: UndisturbedStep, fault: Fault) => Point;
}

export const undisturbed: Plan = {
  steps: [],
  faults: [],
  point: ({ id }, fault) => ({ step: id, fault, delayMs: 0 }),
};

/** One fault: when a step says that it runs, and some time after. */
export interface Point {
  readonly step: string;
  readonly fault: Fault;
  readonly delayMs: number;
  /** Host that the fault is about. */
  readonly host?: string;
}

/** A step has this part of its undisturbed time before the fault, at most, as not every run is as slow as that one. */
const LATEST = 0.8;

/** A fault in the middle of a step, at a moment drawn by the seed; each try has a moment of its own. */
export function pointIn(
  step: UndisturbedStep,
  fault: Fault,
  hosts: readonly string[],
  seed: string,
  attempt: number | string = 0,
): Point {
  const point = {
    step: step.id,
    fault,
    delayMs: Math.floor(LATEST * step.duration * draw(seed, fault, step.id, attempt)),
  };
  if (fault === 'worker' || fault === 'temporal' || fault === 'client') return point;
  return { ...point, host: step.host ?? pick(hosts, seed, 'host', fault, step.id) };
}

/** Shortest step for a fault that should meet a run in the middle of its work, in milliseconds. */
const LONG_MS = 1000;

/**
 * Steps spread over the whole length of a run, one in each of `count` equal parts of its long steps in the order in
 * which they begin.
 *
 * @param round - another one gives other steps
 */
export function spread(
  steps: readonly UndisturbedStep[],
  count: number,
  seed: string,
  round: string | number,
): UndisturbedStep[] {
  const long = steps.filter(({ duration }) => duration >= LONG_MS).sort((a, b) => a.start - b.start);
  return Array.from({ length: count }, (_, part) =>
    pick(
      long.slice(Math.floor((part * long.length) / count), Math.floor(((part + 1) * long.length) / count)),
      seed,
      'spread',
      round,
      part,
    ),
  );
}

/** Most of the long steps, drawn: where faults may come in one run. */
export function drawSteps(steps: readonly UndisturbedStep[], seed: string, round: string | number): UndisturbedStep[] {
  return steps.filter(({ id, duration }) => duration >= LONG_MS && draw(seed, 'step', round, id) < 0.7);
}

/** So many of the other faults, the kinds in turn. */
export function otherFaultsInTurn(count: number, seed: string, round: number): Fault[] {
  const first = Math.floor(draw(seed, 'kind', round) * otherFaults.length);
  return Array.from({ length: count }, (_, i) => otherFaults[(first + i) % otherFaults.length] ?? 'ssh');
}
