import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stuckOn, type ServiceRoute, type Stuck } from '../cluster/service-route.js';

const pods = ['10.244.0.2', '10.244.1.2'];
const whole: ServiceRoute = {
  pods,
  written: pods,
  controllerManager: 'master02',
  served: { master01: pods, master02: pods, master03: pods },
  cutOff: [],
};

const cases: Record<string, { route: Partial<ServiceRoute>; stuck?: Pick<Stuck, 'unit' | 'hosts'> }> = {
  'a Service that leads everywhere is stuck on nothing': { route: {} },
  'no EndpointSlices: the active controller manager, whatever comes after it': {
    route: { written: [], served: { master01: [], master02: [] }, cutOff: ['node01'] },
    stuck: { unit: 'kube-controller-manager.service', hosts: ['master02'] },
  },
  'EndpointSlices without one of the pods: the active controller manager': {
    route: { written: pods.slice(1), cutOff: ['node01', 'node02'] },
    stuck: { unit: 'kube-controller-manager.service', hosts: ['master02'] },
  },
  'caches without what etcd has: their API servers, and no other': {
    route: { served: { master01: pods, master02: [], master03: pods.slice(1) }, cutOff: ['node01'] },
    stuck: { unit: 'kube-apiserver.service', hosts: ['master02', 'master03'] },
  },
  'right EndpointSlices everywhere, and a node that they do not reach: its kube-proxy': {
    route: { cutOff: ['node02'] },
    stuck: { unit: 'kube-proxy.service', hosts: ['node02'] },
  },
  'addresses of pods that are gone hinder nobody': {
    route: { written: [...pods, '10.244.9.9'], served: { master01: [...pods, '10.244.9.9'] } },
  },
};

for (const [title, { route, stuck }] of Object.entries(cases)) {
  test(title, () => {
    const found = stuckOn({ ...whole, ...route });
    assert.deepEqual(found && { unit: found.unit, hosts: found.hosts }, stuck);
  });
}
