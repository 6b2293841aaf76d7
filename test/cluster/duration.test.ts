import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seconds } from '../../cluster/duration.js';

for (const [text, expected] of [
  ['90s', 90],
  ['30m', 1800],
  ['24h', 86_400],
  ['7d', 604_800],
] as const) {
  test(`${text} is ${expected} seconds`, () => assert.equal(seconds(text), expected));
}

for (const bad of ['', '90', 'h', '1.5h', '24H', '2 h', '1w', '-1s', '0s']) {
  test(`"${bad}" is no duration`, () => {
    assert.throws(() => seconds(bad), /is not a duration such as 24h/);
  });
}
