import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { refusals, type HostInspection } from '../../../cluster/preflight/refusals.js';

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

test("the worker's own wrong clock puts no host in the wrong, and is told by itself where certificates would suffer", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.array(fc.integer({ min: 0, max: 15_000 }), { minLength: 1, maxLength: 9 }),
      (workerIsOff, offsets) => {
        const found = refusals(offsets.map((offset, index) => fit(String(index), workerIsOff + offset)));
        if (Math.abs(workerIsOff) < 100_000) assert.deepEqual(found, []);
        if (Math.abs(workerIsOff) > 150_000) assert.equal(found.length, 1);
        for (const text of found) assert.match(text, /^the worker's own clock is -?\d+ s off the median of all hosts/);
      },
    ),
  );
  assert.match(refusals([fit('a', -600_000)]).join(), /^the worker's own clock is 600 s off .* at most 120 s/);
});

test('copies of one disk, and one machine under two names, are told together', () => {
  const as = (host: string, machineId?: string): HostInspection => ({
    ...fit(host, 0),
    ...(machineId === undefined ? {} : { machineId }),
  });
  assert.deepEqual(refusals([as('a', '1'), as('b', '2'), as('c'), as('d')]), []);
  assert.match(
    refusals([as('a', '1'), as('b', '2'), as('c', '1')]).join(),
    /^a, c: they have one machine id, .* systemd-machine-id-setup/,
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
