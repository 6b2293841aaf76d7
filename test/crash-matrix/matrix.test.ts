import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MadeFault } from '../lab/crash-matrix/disturbed-run.js';
import { draw } from '../lab/crash-matrix/draw.js';
import {
  emptyMatrix,
  nextKind,
  nextPoints,
  openSteps,
  type Matrix,
  type MatrixRun,
} from '../lab/crash-matrix/matrix.js';
import { otherFaults, otherPoints, pointIn, spread, type UndisturbedStep } from '../lab/crash-matrix/points.js';
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
  return { step, fault, delayMs: 1, at: '2026-01-01T00:00:00.000Z', met: isMet, secondsToEnd: 10 };
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

test('the other faults of a run are of every kind', () => {
  const points = otherPoints(steps, hosts, 7, 'a', 0);
  assert.deepEqual(new Set(points.map(({ fault }) => fault)), new Set(otherFaults));
});

test('a step is open until a kill met it in a run that ended well; a new step is open by itself', () => {
  const some = matrix([
    { faults: [met('step0'), met('step1', 'ssh'), met('step2', 'worker', false)] },
    { faults: [met('step3')], failure: 'no' },
  ]);
  const open = openSteps(some).map(({ id }) => id);
  assert.ok(!open.includes('step0'));
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

test('runs come in their order: undisturbed, every step, single kills, other faults; then all is done', () => {
  const runs: Partial<MatrixRun>[] = [];
  const next = (): string | undefined => nextKind(matrix(runs));
  assert.equal(nextKind(emptyMatrix(extent).matrix), 'undisturbed');
  runs.push({ kind: 'undisturbed', failure: 'it did not end well' });
  assert.equal(next(), 'undisturbed');
  runs.push({ kind: 'undisturbed' });
  assert.equal(next(), 'every step');
  runs.push({ faults: steps.map(({ id }) => met(id)) });
  assert.equal(next(), 'one kill');
  runs.push({ kind: 'one kill' }, { kind: 'one kill' });
  assert.equal(next(), 'other faults');
  runs.push({ kind: 'other faults', faults: [met('step1', 'ssh'), met('step2', 'ssh', false)] });
  assert.equal(next(), 'other faults');
  runs.push({ kind: 'other faults', faults: [met('step1', 'power'), met('step2', 'client')] });
  assert.equal(next(), undefined);
});

test('a step that cannot be met in many tries is an error, not a step without a kill', () => {
  assert.throws(() => nextPoints('every step', { ...matrix([]), retries: { step1: 99 } }), /step1 could not be met/);
});

test('the report counts what was met, and what one kill costs over the undisturbed runs', () => {
  const all = matrix([
    { kind: 'undisturbed', seconds: 70 },
    { faults: steps.map(({ id }) => met(id)), differences: ['master01 left: x'] },
    { kind: 'one kill', seconds: 80 },
    { kind: 'one kill', seconds: 84 },
    { kind: 'other faults', faults: [met('step1', 'ssh'), met('step2', 'power', false)] },
    { failure: 'no' },
  ]);
  const { stepsMet, extraMedian, extraMost, others, finished, runs, runsWithDifferences } = figures(all);
  assert.deepEqual([stepsMet, extraMedian, extraMost, finished, runs, runsWithDifferences], [20, 12, 14, 5, 6, 1]);
  assert.deepEqual([others.ssh, others.power], [1, 0]);
  assert.match(page(all), /in the middle of them \| 20 of 20 \|/);
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
});
