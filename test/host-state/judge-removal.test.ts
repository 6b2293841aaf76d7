import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeRemoval } from '../../activities/preflight-script.js';
import { smallSpec } from '../workflows/mock-activities.js';

const ours = new Map([['kubernetes-ca', 'aa']]);
const authority = (digest: string): string => `user 0\nauthority /etc/kubernetes/pki/ca.crt ${digest}\n`;

test('a host of the cluster, and one that never was deployed, may be cleaned', () => {
  assert.deepEqual(judgeRemoval(smallSpec, authority('aa'), ours, 'small'), []);
  // The first apply may have been killed before it sent a certificate.
  assert.deepEqual(judgeRemoval(smallSpec, 'user 0\n', ours, 'small'), []);
  assert.deepEqual(judgeRemoval(smallSpec, 'user 0\n', new Map(), undefined), []);
});

test('ports, disks and clocks do not stand in the way of a removal', () => {
  assert.deepEqual(judgeRemoval(smallSpec, `${authority('aa')}disk 3\nport 6443 nginx\nclock 5\n`, ours, 'small'), []);
});

test("a host with another cluster's authority or journal is not ours to clean", () => {
  assert.match(judgeRemoval(smallSpec, authority('bb'), ours, 'small').join(), /another cluster's authority/);
  assert.match(judgeRemoval(smallSpec, authority('aa'), new Map(), 'small').join(), /another cluster's authority/);
  assert.match(judgeRemoval(smallSpec, authority('aa'), ours, 'big').join(), /is part of cluster big, not of small/);
});

test('a host of ours without a record of what it was is not guessed at', () => {
  assert.match(judgeRemoval(smallSpec, authority('aa'), ours, undefined).join(), /has no record of what it was before/);
});

test('without root nothing can be undone', () => {
  assert.match(judgeRemoval(smallSpec, 'user 1000\n', ours, undefined).join(), /run as user 1000; root is needed/);
});
