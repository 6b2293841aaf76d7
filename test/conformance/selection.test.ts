import assert from 'node:assert/strict';
import test from 'node:test';
import { select, type Selection } from '../../lab/conformance/selection.js';

const names = Array.from({ length: 200 }, (_, index) => `[sig-apps] Thing ${index} should work [Conformance]`);
const webhook = '[sig-api-machinery] AdmissionWebhook should deny [Conformance]';
const all = [...names, webhook].sort();

function sample(seed: string, size = 20, always: readonly RegExp[] = [/AdmissionWebhook/]): Selection {
  return { kind: 'sample', size, seed, always };
}

void test('a seed draws the same sample again, and another seed another one', () => {
  const { specs } = select(all, sample('one'), []);
  assert.equal(new Set(specs).size, 20);
  assert.deepEqual(select([...all].reverse(), sample('one'), []).specs, specs);
  assert.notDeepEqual(select(all, sample('two'), []).specs, specs);
});

void test('every sample has one test of each kind that is always drawn', () => {
  for (const seed of ['one', 'two', 'three']) assert.ok(select(all, sample(seed), []).specs.includes(webhook), seed);
  const both = select(all, sample('one', 2, [/AdmissionWebhook/, /Thing 7 /]), []).specs;
  assert.deepEqual(both, ['[sig-apps] Thing 7 should work [Conformance]', webhook].sort());
});

void test('a sample is refused that is too small, or lacks a kind, and so is a run of nothing', () => {
  assert.throws(() => select(all, sample('one', 1, [/Admission/, /Thing 7 /]), []), /has no room for the 2 tests/);
  assert.throws(() => select(all, sample('one', 9, [/Aggregator/]), []), /no conformance test matches \/Aggregator\//);
  assert.throws(() => select(all, { kind: 'focus', pattern: /nothing/ }, []), /none of 201 conformance tests/);
});

void test('a sample as large as all there are is all of them', () => {
  assert.deepEqual(select(all, sample('one', 1000), []).specs, all);
});

void test('an exception is not run and named with its reason, and what is skipped is not selected', () => {
  const { specs, excepted } = select(all, { kind: 'all' }, [{ spec: webhook, reason: 'no way' }], /Thing 1/);
  assert.deepEqual(excepted, [{ name: webhook, reason: 'no way' }]);
  assert.ok(!specs.includes(webhook) && specs.every((name) => !name.includes('Thing 1')));
  assert.deepEqual(select(all, { kind: 'focus', pattern: /Thing 8\d / }, []).specs.length, 10);
});
