import assert from 'node:assert/strict';
import test from 'node:test';
import { Tally } from '../../lab/conformance/tally.js';

void test('a tally counts what has ended and what has failed, from what earlier rounds left', () => {
  const tally = new Tally(10, 3, 1);
  for (const line of ['• [5.213 seconds]', '• [FAILED] [300.104 seconds]', 'anything else']) tally.take(line, 0);
  assert.equal(tally.text(0), '5 of 10 tests, 2 failed');
});

void test('a tally names the test that runs for longest, until nothing is heard of it any more', () => {
  const tally = new Tally(10);
  assert.deepEqual(tally.take('    a test (Spec Runtime: 1m1s)', 1000)?.seconds, 61);
  tally.take('    another test (Spec Runtime: 2m1s)', 1000);
  assert.equal(tally.text(20_000), '0 of 10 tests, 0 failed, 121 s in: another test');
  tally.take('    a test (Spec Runtime: 1m21s)', 21_000);
  assert.equal(tally.text(40_000), '0 of 10 tests, 0 failed, 81 s in: a test');
  assert.equal(tally.text(60_000), '0 of 10 tests, 0 failed');
});
