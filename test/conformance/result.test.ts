import assert from 'node:assert/strict';
import test from 'node:test';
import { page, withResult } from '../../bench/conformance.js';
import { isGood, type Result, resultLines, resultOf, resultSchema } from '../../lab/conformance/result.js';

const excepted = { name: 'e', reason: 'no way' };

function seen(): Result {
  return resultOf({
    kubernetes: 'v1.37.2',
    date: '2026-11-28',
    of: 462,
    procs: 4,
    seconds: 600,
    selection: { kind: 'sample', size: 5, seed: 's1', always: [] },
    selected: { specs: ['a', 'b', 'c', 'd'], excepted: [excepted] },
    verdicts: new Map([
      ['a', { state: 'passed' as const }],
      ['b', { state: 'failed' as const, message: 'timed out' }],
      ['c', { state: 'skipped' as const, message: 'wants more nodes' }],
    ]),
    cutOff: 'no verdict within 90 minutes',
  });
}

void test('a result adds up to what was selected, and everything that did not pass has its reason', () => {
  const result = resultSchema.parse(seen());
  assert.equal(result.selected, 5);
  assert.equal(result.passed + result.failed.length + result.notRun.length, 5);
  assert.deepEqual(result.failed, [{ name: 'b', reason: 'timed out' }]);
  assert.deepEqual(result.notRun, [
    excepted,
    { name: 'c', reason: 'wants more nodes' },
    { name: 'd', reason: 'no verdict within 90 minutes' },
  ]);
  assert.match(
    resultLines(result).join('\n'),
    /v1\.37\.2: 5 of 462, drawn by the seed s1, in 10\.0 minutes, 4 at a time/,
  );
});

void test('a run is good if only exceptions were not run, and bad if a test failed, skipped itself or had no turn', () => {
  const exceptions = [{ spec: 'e' }];
  const result = seen();
  assert.ok(!isGood(result, exceptions));
  assert.ok(!isGood({ ...result, failed: [] }, exceptions));
  assert.ok(isGood({ ...result, failed: [], notRun: [excepted] }, exceptions));
  assert.ok(!isGood({ ...result, failed: [], notRun: [excepted] }, []));
});

void test('the page has the newest whole run and the newest sample of each version, and names what did not pass', () => {
  const whole: Result = { ...seen(), selection: { kind: 'all' }, selected: 462, passed: 462, failed: [], notRun: [] };
  const old: Result = { ...seen(), kubernetes: 'v1.9.8' };
  const results = [old, whole, { ...seen(), passed: 3 }, seen()].reduce<Result[]>(withResult, []);
  assert.deepEqual(
    results.map(({ kubernetes, selection, passed }) => [kubernetes, selection.kind, passed]),
    [
      ['v1.37.2', 'all', 462],
      ['v1.37.2', 'sample', 1],
      ['v1.9.8', 'sample', 1],
    ],
  );
  const text = page(results);
  assert.match(text, /\| v1\.37\.2 \| 2026-11-28 \| 462 of 462 \| all of them \| 462 \| 0 \| 0 \| 10\.0 \| 4 \|/);
  assert.match(text, /## v1\.37\.2, the sample: what did not pass\n\n- failed: `b`: timed out\n- not run: `e`: no way/);
  assert.doesNotMatch(text, /all tests: what did not pass/);
});

void test('a run of tests that somebody chose is not written down', () => {
  assert.deepEqual(withResult([seen()], { ...seen(), selection: { kind: 'focus', pattern: 'DNS' } }), [seen()]);
});
