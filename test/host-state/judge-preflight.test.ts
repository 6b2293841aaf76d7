import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePreflight } from '../../activities/preflight-script.js';
import { hostByName } from '../../cluster/topology.js';
import { smallSpec } from '../workflows/mock-activities.js';

const healthy = {
  user: '0',
  init: 'systemd',
  systemd: '252',
  clock: '1700000000000',
  container: 'none',
  disk: '20000 40',
};

function judge(host: string, found: Partial<typeof healthy>, ...more: string[]): string[] {
  const lines = Object.entries({ ...healthy, ...found }).map(([key, value]) => `${key} ${value}`);
  return judgePreflight(smallSpec, hostByName(smallSpec, host), [...lines, ...more].join('\n'), new Map(), false)
    .problems;
}

test('a host that is fit has no problem, and tells its clock', () => {
  assert.deepEqual(judge('node01', {}), []);
  assert.deepEqual(
    judge('master01', { disk: '20000 5' }),
    [],
    'the disk pressure of a kubelet is no matter of masters',
  );
});

const unfit: readonly (readonly [string, string, Partial<typeof healthy>, RegExp])[] = [
  [
    'another account than root',
    'node01',
    { user: '1000' },
    /run as user 1000; root is needed; allow passwordless sudo/,
  ],
  ['an init that is not systemd', 'node01', { init: 'runit' }, /first process is runit; systemd is needed/],
  ['a systemd without credentials', 'node01', { systemd: '245' }, /has systemd 245; 247 or newer is needed/],
  ['a container that is taken for a machine', 'node01', { container: 'systemd-nspawn' }, /write hostKind: container/],
  ['too little space', 'master01', { disk: '1500 40' }, /has 1500 MiB free; 2048 MiB are needed; free some space/],
  ['a disk on which a kubelet takes no pods', 'node01', { disk: '20000 14' }, /14 % of its disk free; below 15 %/],
];

for (const [what, host, found, problem] of unfit) {
  test(`${what} is one problem, with the value, what is allowed, and the fix`, () => {
    const problems = judge(host, found);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems.join(), problem);
  });
}

test('a port that another program has is a problem of the roles that need it alone', () => {
  assert.match(judge('master01', {}, 'port 6443 nginx').join(), /port 6443 is taken by nginx; kube-apiserver needs it/);
  assert.deepEqual(judge('master01', {}, 'port 6443 kube-apiserver'), []);
  assert.deepEqual(judge('node01', {}, 'port 6443 nginx'), []);
});

test('a host that runs another minor is not upgraded by accident', () => {
  const problem = judge('node01', {}, 'runs kubelet v1.19.7').join();
  assert.match(
    problem,
    /its kubelet is v1\.19\.7 and kubernetes is v1\.20\.2; .* write kubernetes: v1\.19\.7, or destroy/,
  );
  assert.deepEqual(judge('node01', {}, 'runs kubelet v1.20.15'), [], 'another patch is taken');
  assert.deepEqual(judge('node01', {}, 'runs kubelet '), [], 'a program that does not run tells nothing');
});
