import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostPicture } from '../lab/crash-matrix/host-picture.js';
import { differences, hosts, type Picture } from '../lab/crash-matrix/picture.js';

const host: HostPicture = {
  paths: ['f 0600 root:root /etc/a', 'd 0755 root:root /etc'],
  contents: ['/etc/a 12ab'],
  units: ['etcd.service enabled'],
  starts: ['known', 'etcd.service'],
  undo: ['file /etc/a absent .'],
  accounts: ['etcd:/nonexistent:/usr/sbin/nologin'],
  packages: ['socat 1.7 installed'],
  images: [],
  partial: [],
  failedUnits: [],
  orphans: [],
};
const plain: Picture = {
  hosts: Object.fromEntries(hosts.map((name) => [name, host])),
  cluster: {
    etcd: ['1, started, master01'],
    requests: ['node01, asked by system:bootstrap:a: Approved, issued'],
    objects: ['Namespace /default generation 0'],
    pods: ['kube-system pod of ReplicaSet coredns: Running', 'kube-system pod of ReplicaSet coredns: Running'],
    nodes: ['node01: Ready True'],
    secrets: ['admin/1.pem'],
    tokens: [],
  },
};

function other(change: Partial<HostPicture>, cluster: Partial<Picture['cluster']> = {}): string[] {
  return differences(plain, {
    hosts: { ...plain.hosts, master02: { ...host, ...change } },
    cluster: { ...plain.cluster, ...cluster },
  });
}

test('a picture does not differ from itself', () => {
  assert.deepEqual(differences(plain, plain), []);
});

test('a mode, a content, a file, a unit and an account that differ are told by host', () => {
  assert.deepEqual(other({ paths: ['f 0644 root:root /etc/a', 'd 0755 root:root /etc'] }), [
    'master02 paths: missing f 0600 root:root /etc/a',
    'master02 paths: new f 0644 root:root /etc/a',
  ]);
  assert.deepEqual(other({ contents: [] }), ['master02 contents: missing /etc/a 12ab']);
  assert.deepEqual(other({ units: [], accounts: [] }), [
    'master02 units: missing etcd.service enabled',
    'master02 accounts: missing etcd:/nonexistent:/usr/sbin/nologin',
  ]);
});

test('what is there twice must be there twice', () => {
  assert.deepEqual(other({}, { pods: plain.cluster.pods.slice(1) }), [
    'cluster pods: missing kube-system pod of ReplicaSet coredns: Running',
  ]);
});

test('a unit that was started twice is told, but not on a host that was itself started again', () => {
  assert.deepEqual(other({ starts: ['known', 'etcd.service', 'etcd.service'] }), ['master02 starts: new etcd.service']);
  assert.deepEqual(other({ starts: undefined }), []);
});

test('a second request is told, but not of a node whose host was started again', () => {
  const requests = [...plain.cluster.requests, ...plain.cluster.requests];
  const twice = (change: Partial<HostPicture>): string[] =>
    differences(plain, {
      hosts: { ...plain.hosts, node01: { ...host, ...change } },
      cluster: { ...plain.cluster, requests },
    });
  assert.deepEqual(twice({}), ['cluster requests: new node01, asked by system:bootstrap:a: Approved, issued']);
  assert.deepEqual(twice({ starts: undefined }), []);
});

test('leftovers are wrong even if an undisturbed run had them too', () => {
  const dirty = { ...host, partial: ['/etc/.a.ha-kubernetes-new'], failedUnits: ['x.service'], orphans: ['12 sh -s'] };
  const picture = { ...plain, hosts: { ...plain.hosts, node01: dirty } };
  assert.deepEqual(differences(picture, picture), [
    'node01 left: /etc/.a.ha-kubernetes-new',
    'node01 failed unit: x.service',
    'node01 left process: 12 sh -s',
  ]);
});

test('a second issue, an open request and a token that is left are wrong in every cluster', () => {
  const cluster = {
    ...plain.cluster,
    secrets: ['admin/1.pem', 'admin/2.pem'],
    requests: ['node01, asked by system:bootstrap:a: Pending'],
    tokens: ['Secret kube-system/bootstrap-token-a generation 0'],
  };
  assert.deepEqual(differences({ ...plain, cluster }, { ...plain, cluster }), [
    'a bootstrap token is left: Secret kube-system/bootstrap-token-a generation 0',
    'issued more than once: admin/2.pem',
    'an open request: node01, asked by system:bootstrap:a: Pending',
  ]);
});
