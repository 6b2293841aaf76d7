import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summary, text, type Report } from '../../script/demo-summary.js';
import type { DeployResult } from '../../workflows/deploy-ha.js';
import type { DrillResult } from '../../workflows/failover-drill.js';

const step = { needs: [], state: 'done', attempts: 1, changed: 2, note: 'as it should be' } as const;
const at = { start: '2026-01-01T00:00:00.000Z', end: '2026-01-01T00:00:01.000Z' };

const deploy: Report<DeployResult> = {
  kubernetes: 'v1.20.2',
  nodes: [{ name: 'node01', ready: true, version: 'v1.20.2' }],
  etcd: { members: 3, leader: 'master02' },
  leases: { 'kube-controller-manager': 'master01', 'kube-scheduler': 'master03' },
  kubeconfig: '/state/kubeconfig',
  steps: [
    { ...step, ...at, id: 'pki', title: 'Make certificates' },
    { ...step, ...at, id: 'etcd:master01', title: 'Start etcd on master01', host: 'master01' },
  ],
  changed: 4,
  audits: [],
  checks: [{ name: 'DNS of kube-dns', ok: true }],
  seconds: 71.25,
  ui: 'http://127.0.0.1:8233/x',
};
const drill: Report<DrillResult> = {
  victim: 'master01',
  before: { 'kube-controller-manager': 'master01', 'kube-scheduler': 'master03' },
  after: { 'kube-controller-manager': 'master02', 'kube-scheduler': 'master03' },
  leaseMoveSeconds: 15.7,
  nodesNotReady: [],
  steps: [],
  seconds: 30,
  ui: 'http://127.0.0.1:8233/y',
};
const nodes = [...deploy.nodes, { name: 'node03', ready: true, version: 'v1.20.2' }];

test('the JSON of a demo has exactly the agreed keys', () => {
  assert.deepEqual(summary(deploy, drill, nodes), {
    kubernetes: 'v1.20.2',
    seconds: 71.25,
    nodes,
    etcd: { members: 3, leader: 'master02' },
    leases: { before: drill.before, after: drill.after },
    drill: { victim: 'master01', leaseMoveSeconds: 15.7 },
    checks: [{ name: 'DNS of kube-dns', ok: true }],
    steps: [
      { id: 'pki', title: 'Make certificates', host: null, ...at, attempts: 1 },
      { id: 'etcd:master01', title: 'Start etcd on master01', host: 'master01', ...at, attempts: 1 },
    ],
    kubeconfig: '/state/kubeconfig',
    ui: 'http://127.0.0.1:8233/x',
  });
});

test('the report names who held the leases, who was powered off, and how long the leases took to move', () => {
  const report = text(deploy, drill, nodes).join('\n');
  assert.match(report, /leases before +controller-manager on master01, scheduler on master03/);
  assert.match(report, /drill +master01 was powered off; its leases moved after 15\.7 s/);
  assert.match(report, /leases after +controller-manager on master02/);
  assert.match(report, /nodes +node01 Ready v1\.20\.2, node03 Ready v1\.20\.2/);
});
