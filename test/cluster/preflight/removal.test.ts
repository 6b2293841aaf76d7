import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeRemoval } from '../../../cluster/preflight/removal.js';
import { Report } from '../../../cluster/preflight/report.js';
import { smallSpec } from '../../workflows/mock-activities.js';

const ours = new Map([['kubernetes-ca', 'aa']]);
const judge = (output: string, known: ReadonlyMap<string, string>, madeBy: string | undefined): string[] =>
  judgeRemoval(smallSpec, new Report(output), known, madeBy);
const authority = (digest: string): string => `user 0\nauthority /etc/kubernetes/pki/ca.crt ${digest}\n`;

test('a host of the cluster, and one that never was deployed, may be cleaned', () => {
  assert.deepEqual(judge(authority('aa'), ours, 'small'), []);
  // The first apply may have been killed before it sent a certificate.
  assert.deepEqual(judge('user 0\n', ours, 'small'), []);
  assert.deepEqual(judge('user 0\n', new Map(), undefined), []);
});

test('ports, disks and clocks do not stand in the way of a removal', () => {
  assert.deepEqual(judge(`${authority('aa')}disk 3\nport 6443 nginx\nclock 5\n`, ours, 'small'), []);
});

test("a host with another cluster's authority or journal is not ours to clean", () => {
  assert.match(judge(authority('bb'), ours, 'small').join(), /another cluster's authority/);
  assert.match(judge(authority('aa'), new Map(), 'small').join(), /another cluster's authority/);
  assert.match(judge(authority('aa'), ours, 'big').join(), /is part of cluster big, not of small/);
});

test('a host of ours without a record of what it was is not guessed at', () => {
  assert.match(judge(authority('aa'), ours, undefined).join(), /has no record of what it was before/);
});

test('without root nothing can be undone', () => {
  assert.match(judge('user 1000\n', ours, undefined).join(), /run as user 1000; root is needed/);
});

test('containers of others that run in our containerd are not taken away with it', () => {
  const ourContainerd = `${authority('aa')}record unit containerd.service\n`;
  const pods = 'container-of k8s.io\n';
  assert.deepEqual(judge(ourContainerd + pods, ours, 'small'), []);
  assert.deepEqual(judge(`${ourContainerd}${pods}container-of moby\ncontainer-of default\n`, ours, 'small'), [
    'others have containers in the containerd that goes with the cluster (moby: 1, default: 1); remove them first (nerdctl --namespace NAME rm, docker rm)',
  ]);
  assert.deepEqual(judge(`${authority('aa')}container-of moby\n`, ours, 'small'), [], 'that of a master is not ours');
});
