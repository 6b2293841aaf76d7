import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { refusals, type HostInspection } from '../../cluster/preflight.js';

const fit = (host: string, clockOffsetMs?: number): HostInspection => ({
  host,
  problems: [],
  notes: [],
  ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
});

test('hosts without a problem are not refused', () => {
  assert.deepEqual(refusals([fit('a', 0), fit('b', 900), fit('c')]), []);
  assert.deepEqual(refusals([]), []);
});

test('every problem of every host is told, with its host', () => {
  const found = refusals([
    { host: 'a', problems: ['no disk', 'no memory'], notes: [] },
    fit('b', 0),
    { host: 'c', problems: ['no route'], notes: [] },
  ]);
  assert.deepEqual(found, ['a: no disk', 'a: no memory', 'c: no route']);
});

test("one host's wrong clock is told, with how far it is off and what to do", () => {
  assert.deepEqual(refusals([fit('a', 10), fit('b', 90_000), fit('c', -20)]), [
    'b: its clock is 90 s off the median of all hosts; at most 30 s is allowed; start its time service (chrony) and try again',
  ]);
  assert.match(refusals([fit('a', 10), fit('b', -90_000), fit('c', -20)]).join(), /^b: its clock is -90 s off/);
});

test("the worker's own wrong clock puts no host in the wrong", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.array(fc.integer({ min: 0, max: 15_000 }), { minLength: 1, maxLength: 9 }),
      (workerIsOff, offsets) => {
        assert.deepEqual(refusals(offsets.map((offset, index) => fit(String(index), workerIsOff + offset))), []);
      },
    ),
  );
});

test('a minority of wrong clocks is refused, and nobody else', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 31_000, max: 1e9 }),
      fc.boolean(),
      (wrong, by, fast) => {
        const right = Array.from({ length: wrong + 1 }, (_, index) => fit(`right${index}`, 0));
        const off = Array.from({ length: wrong }, (_, index) => fit(`wrong${index}`, fast ? by : -by));
        const found = refusals([...off, ...right]);
        assert.deepEqual(
          found.map((text) => text.split(':')[0]),
          off.map(({ host }) => host),
        );
      },
    ),
  );
});
