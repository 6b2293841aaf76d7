import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostOfHolder } from '../../cluster/leases.js';

for (const [identity, host] of [
  ['master01_0ba4eb7f-40af-4f88-b2d5-a41792c85a86', 'master01'],
  ['master02.mykernel.cn_0ba4eb7f-40af-4f88-b2d5-a41792c85a86', 'master02'],
  ['master03', 'master03'],
] as const) {
  test(`${identity} is held by ${host}`, () => assert.equal(hostOfHolder(identity), host));
}
