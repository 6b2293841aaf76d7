import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { officialLock } from '../../activities/artifacts/artifact-lock.js';
import { provenMinors } from '../../cluster/versions.js';
import { apiName, dnsServiceAddress, firstServiceAddress, fullName } from '../../cluster/topology.js';
import { seedDocument, specOf } from './documents.js';

test('examples/seed.yaml is the cluster of the seed', () => {
  const spec = specOf(seedDocument());
  assert.equal(spec.kubernetes, 'v1.20.2');
  assert.equal(spec.domain, 'mykernel.cn');
  assert.deepEqual(
    [spec.network.pods, spec.network.services, spec.network.nodePorts],
    ['10.244.0.0/16', '10.64.0.0/12', '20000-50000'],
  );
  assert.deepEqual(
    spec.hosts.map((host) => [fullName(spec, host), host.address, host.roles.join('+')]),
    [
      ['master01.mykernel.cn', '172.16.0.101', 'etcd+control-plane'],
      ['master02.mykernel.cn', '172.16.0.102', 'etcd+control-plane'],
      ['master03.mykernel.cn', '172.16.0.103', 'etcd+control-plane'],
      ['node01.mykernel.cn', '172.16.0.104', 'node'],
      ['node02.mykernel.cn', '172.16.0.105', 'node'],
      ['node03.mykernel.cn', '172.16.0.106', 'node'],
    ],
  );
  assert.equal(apiName(spec), 'kubernetes-api.mykernel.cn');
  assert.equal(firstServiceAddress(spec), '10.64.0.1');
  assert.equal(dnsServiceAddress(spec), '10.64.0.10');
});

test('examples/today.yaml can be built from official releases of the newest minor, with ports as Kubernetes has them', async () => {
  const spec = specOf(parse(readFileSync(new URL('../../../examples/today.yaml', import.meta.url), 'utf8')));
  assert.match(await officialLock(spec.kubernetes), /locks/);
  assert.equal(Number(spec.kubernetes.split('.')[1]), Math.max(...provenMinors));
  assert.equal(spec.network.nodePorts, '30000-32767');
});
