import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatePlan } from '../../cluster/pki.js';
import { seedSpec } from './seed.js';

const plan = certificatePlan(seedSpec());

function leaf(name: string): (typeof plan.certificates)[number] {
  const found = plan.certificates.find((certificate) => certificate.name === name);
  assert.ok(found, `no ${name} in the plan`);
  return found;
}

test('every purpose of the seed has a leaf of its own on every host', () => {
  const names = plan.certificates.map(({ name }) => name);
  const masters = ['master01', 'master02', 'master03'];
  const nodes = ['node01', 'node02', 'node03'];
  const perMaster = [
    'etcd-server',
    'etcd-peer',
    'etcd-healthcheck-client',
    'kube-apiserver',
    'apiserver-etcd-client',
    'apiserver-kubelet-client',
    'front-proxy-client',
    'controller-manager',
    'scheduler',
    'konnectivity-server',
  ];
  const expected = [
    ...masters.flatMap((host) => perMaster.map((purpose) => `${purpose}/${host}`)),
    ...nodes.flatMap((host) => [`kube-proxy/${host}`, `konnectivity-agent/${host}`]),
    'admin',
    'metrics-server',
    'super-admin',
  ];
  assert.deepEqual([...names].sort(), [...expected].sort());
  assert.equal(new Set(names).size, names.length);
});

test('an authority for each circle of trust and a service-account key pair of its own', () => {
  assert.deepEqual(
    plan.authorities.map(({ name, commonName }) => [name, commonName]),
    [
      ['kubernetes-ca', 'kubernetes-ca'],
      ['kubelet-serving-ca', 'kubelet-serving-ca'],
      ['etcd-ca', 'etcd-ca'],
      ['front-proxy-ca', 'kubernetes-front-proxy-ca'],
      ['konnectivity-ca', 'konnectivity-ca'],
      ['metrics-server-ca', 'metrics-server-ca'],
    ],
  );
  assert.deepEqual(plan.keyPairs, ['service-account']);
});

test("an API server's certificate names its host, the endpoint and the kubernetes Service, and no other master", () => {
  assert.deepEqual(leaf('kube-apiserver/master02').sans, {
    dns: [
      'master02',
      'master02.mykernel.cn',
      'kubernetes-api.mykernel.cn',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      'localhost',
    ],
    ip: ['172.16.0.102', '10.64.0.1', '127.0.0.1'],
  });
});

test('etcd members serve and dial with the same certificate', () => {
  for (const purpose of ['etcd-server', 'etcd-peer']) {
    const certificate = leaf(`${purpose}/master01`);
    assert.equal(certificate.authority, 'etcd-ca');
    assert.deepEqual(certificate.usages, ['server', 'client']);
    assert.deepEqual(certificate.sans.ip, ['172.16.0.101', '127.0.0.1']);
  }
});

test('a kubelet asks for its certificates itself: the plan makes none with the identity of a node', () => {
  assert.deepEqual(
    plan.certificates.filter(({ commonName }) => commonName.startsWith('system:node:')),
    [],
  );
});
