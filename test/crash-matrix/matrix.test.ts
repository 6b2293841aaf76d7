import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MadeFault } from '../lab/crash-matrix/disturbed-run.js';
import { draw } from '../lab/crash-matrix/draw.js';
import { emptyMatrix, nextKind, nextPlan, openSteps, type Matrix, type MatrixRun } from '../lab/crash-matrix/matrix.js';
import {
  drawSteps,
  otherFaults,
  otherFaultsInTurn,
  pointIn,
  spread,
  type UndisturbedStep,
} from '../lab/crash-matrix/points.js';
import { figures, median, page } from '../lab/crash-matrix/report.js';

const hosts = ['master01', 'node01'];
const steps: UndisturbedStep[] = Array.from({ length: 20 }, (_, i) => ({
  id: `step${i}`,
  start: i * 1000,
  duration: i % 5 === 0 ? 10 : 2000,
  ...(i % 2 === 0 ? { host: 'master01' } : {}),
}));
const extent = { seed: 'a', undisturbed: 1, singleKills: 2, otherFaults: 3 };

function met(step: string, fault: MadeFault['fault'] = 'worker', isMet = true): MadeFault {
  return { step, fault, delayMs: 1, at: '2026-01-01T00:00:00.000Z', met: isMet, alsoMet: [], secondsToEnd: 10 };
}

function matrix(runs: readonly Partial<MatrixRun>[], of: readonly UndisturbedStep[] = steps): Matrix {
  return {
    ...emptyMatrix(extent).matrix,
    steps: of,
    runs: runs.map((run) => ({ kind: 'every step', seconds: 80, faults: [], differences: [], ...run })),
  };
}

test('the same seed draws the same, another seed draws something else, and all of it is in [0, 1)', () => {
  const of = (seed: string): number[] => Array.from({ length: 100 }, (_, i) => draw(seed, 'x', i));
  assert.deepEqual(of('a'), of('a'));
  assert.notDeepEqual(of('a'), of('b'));
  assert.ok(of('a').every((value) => value >= 0 && value < 1));
  assert.ok(Math.max(...of('a')) > 0.9 && Math.min(...of('a')) < 0.1);
});

test('a fault lies within the first four fifths of its step, and every try has another moment', () => {
  const [, step] = steps;
  assert.ok(step !== undefined);
  const delays = Array.from({ length: 50 }, (_, attempt) => pointIn(step, 'worker', hosts, 'a', attempt).delayMs);
  assert.ok(delays.every((delay) => delay >= 0 && delay < 1600));
  assert.ok(new Set(delays).size > 40);
});

test('faults of hosts name the host of their step, or one that is drawn; the others name none', () => {
  const [first, second] = steps;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(pointIn(first, 'power', hosts, 'a').host, 'master01');
  assert.ok(hosts.includes(pointIn(second, 'ssh', hosts, 'a').host ?? ''));
  assert.equal(pointIn(first, 'temporal', hosts, 'a').host, undefined);
});

test('spread takes a long step of each part of a run', () => {
  const long = steps.filter(({ duration }) => duration > 1000);
  const taken = spread(steps, 4, 'a', 'one kill');
  taken.forEach((step, part) => assert.ok(long.slice(part * 4, part * 4 + 4).includes(step)));
  assert.throws(() => spread(steps.slice(0, 2), 4, 'a', 0), RangeError);
});

test('the other faults of a run are of every kind, in most of the long steps', () => {
  assert.deepEqual(new Set(otherFaultsInTurn(7, 'a', 0)), new Set(otherFaults));
  const drawn = drawSteps(steps, 'a', 0);
  assert.ok(drawn.length > 3 && drawn.length < 16 && drawn.every(({ duration }) => duration > 1000));
  assert.notDeepEqual(drawSteps(steps, 'a', 1), drawn);
});

test('a step is open until a kill met it in a run that ended well; a new step is open by itself', () => {
  const some = matrix([
    { faults: [{ ...met('step0'), alsoMet: ['step4'] }, met('step1', 'ssh'), met('step2', 'worker', false)] },
    { faults: [met('step3')], failure: 'no' },
  ]);
  const open = openSteps(some).map(({ id }) => id);
  assert.ok(!open.includes('step0') && !open.includes('step4'));
  assert.ok(['step1', 'step2', 'step3'].every((id) => open.includes(id)));
  const more = { ...some, steps: [...steps, { id: 'new', start: 0, duration: 5 }] };
  assert.ok(openSteps(more).some(({ id }) => id === 'new'));
});

test('a sample is drawn by the seed', () => {
  const sample = openSteps({ ...matrix([]), extent: { ...extent, sample: 5 } }).map(({ id }) => id);
  assert.equal(sample.length, 5);
  assert.notDeepEqual(
    sample,
    openSteps({ ...matrix([]), extent: { ...extent, seed: 'b', sample: 5 } }).map(({ id }) => id),
  );
});

test('after an undisturbed run comes what has come least far, until all is done', () => {
  assert.equal(nextKind(emptyMatrix(extent).matrix), 'undisturbed');
  const order: string[] = [];
  let runs: Partial<MatrixRun>[] = [{ kind: 'undisturbed', failure: 'it did not end well' }];
  const of = { ...extent, undisturbed: 2, singleKills: 3 };
  for (;;) {
    const kind = nextKind({ ...matrix(runs), extent: of });
    if (kind === undefined) break;
    order.push(kind);
    const faults = {
      undisturbed: [],
      'one kill': [met('step1', 'worker', order.length !== 5)],
      'every step': steps.map(({ id }) => met(id)),
      'other faults': [met('step1', 'ssh'), met('step2', 'power'), met('step3', 'power', false)],
    }[kind];
    runs = [...runs, { kind, faults }];
    assert.ok(order.length < 20);
  }
  assert.deepEqual(order, [
    ...['every step', 'one kill', 'other faults', 'undisturbed', 'one kill'],
    ...['one kill', 'undisturbed', 'one kill', 'other faults'],
  ]);
});

test('a step that cannot be met in many tries is an error, not a step without a kill', () => {
  assert.throws(
    () => nextPlan('every step', { ...matrix([]), retries: { step1: 99 } }),
    /could not be met in .*: step1/,
  );
});

test('the report counts what was met, and what one kill costs over the undisturbed runs', () => {
  const all = matrix([
    { kind: 'undisturbed', seconds: 70 },
    { faults: steps.map(({ id }) => met(id)), differences: ['master01 left: x'] },
    { kind: 'one kill', seconds: 80, faults: [met('step1')] },
    { kind: 'one kill', seconds: 84, faults: [met('step2')] },
    { kind: 'one kill', seconds: 70, faults: [met('step2', 'worker', false)] },
    { kind: 'other faults', faults: [met('step1', 'ssh'), met('step2', 'power', false)] },
    { failure: 'no' },
  ]);
  const { stepsMet, extraMedian, extraMost, others, finished, runs, runsWithDifferences } = figures(all);
  assert.deepEqual([stepsMet, extraMedian, extraMost, finished, runs, runsWithDifferences], [20, 12, 14, 6, 7, 1]);
  assert.deepEqual([others.ssh, others.power], [1, 0]);
  assert.match(page(all), /in the middle of them \| 20 of 20 \|/);
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
});
