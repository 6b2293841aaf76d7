import assert from 'node:assert/strict';
import { test } from 'node:test';
import { artifactLockSchema } from '../../cluster/artifacts.js';
import { componentsOf, componentState, type Component } from '../../cluster/components/index.js';
import type { HostState } from '../../cluster/desired-state.js';
import { certificatePlan } from '../../cluster/pki.js';
import type { ClusterSpec, Role } from '../../cluster/spec.js';
import { addNodeSteps } from '../../cluster/operations/add-node.js';
import { deploySteps } from '../../cluster/operations/deploy-ha.js';
import { hostByName, isTainted } from '../../cluster/topology.js';
import { debianFacts, seedDocument, specOf } from './documents.js';

const lock = artifactLockSchema.parse({ kubernetes: 'v1.37.2', artifacts: [] });

/** The seed's cluster at a version of today, with other roles for some hosts. */
function specWith(roles: Readonly<Record<string, readonly Role[]>> = {}, more: object = {}): ClusterSpec {
  const seed = seedDocument() as { hosts: { name: string; roles: Role[] }[] };
  const hosts = seed.hosts.map((host) => ({ ...host, roles: roles[host.name] ?? host.roles }));
  return specOf({ ...seed, kubernetes: 'v1.37.2', ...more, hosts });
}

function stateOf(spec: ClusterSpec, name: string, component: Component): HostState {
  return componentState(component, { spec, host: hostByName(spec, name), lock, facts: debianFacts });
}

function textOf({ files }: HostState, path: string): string | undefined {
  const content = files.find((file) => file.path === path)?.content;
  return content?.kind === 'text' ? content.text : undefined;
}

const stacked: readonly Role[] = ['etcd', 'control-plane', 'node'];
const EGRESS = '/etc/kubernetes/egress-selector.yaml';
const API_SERVER = '/etc/systemd/system/kube-apiserver.service';
const PROXY = '/etc/kubernetes/api-proxy.cfg';

test('masters without pods have a konnectivity server each, and every node an agent', () => {
  const spec = specWith();
  for (const { name, roles } of spec.hosts) {
    const components = componentsOf(spec, hostByName(spec, name));
    assert.equal(components.includes('konnectivity-server'), !roles.includes('node'), name);
    assert.equal(components.includes('konnectivity-agent'), roles.includes('node'), name);
  }
  const apiServer = stateOf(spec, 'master01', 'kube-apiserver');
  assert.match(textOf(apiServer, EGRESS) ?? '', /name: cluster\n[^]*udsName: \/run\/konnectivity-server\//);
  assert.match(textOf(apiServer, API_SERVER) ?? '', /--egress-selector-config-file=/);
  assert.match(textOf(apiServer, API_SERVER) ?? '', /^SupplementaryGroups=konnectivity-server$/m);
});

test("a node's proxy leads its agent once to each konnectivity server", () => {
  const config = textOf(stateOf(specWith({ master02: stacked }), 'node01', 'api-endpoint'), PROXY) ?? '';
  const [, section = ''] = config.split('listen konnectivity-server');
  assert.match(section, /^ {2}bind 127\.0\.0\.1:8132$/m);
  assert.match(section, /maxconn 1 /);
  assert.deepEqual(
    section.match(/^ {2}server \S+ \S+$/gm)?.map((line) => line.trim()),
    ['server master01 172.16.0.101:8132', 'server master03 172.16.0.103:8132'],
  );
});

test('masters that are all nodes reach pods by themselves: nothing of konnectivity is there', () => {
  const spec = specWith({ master01: stacked, master02: stacked, master03: stacked });
  for (const host of spec.hosts) {
    assert.ok(!componentsOf(spec, host).some((component) => component.startsWith('konnectivity')), host.name);
  }
  const apiServer = stateOf(spec, 'master01', 'kube-apiserver');
  assert.equal(textOf(apiServer, EGRESS), undefined);
  assert.doesNotMatch(textOf(apiServer, API_SERVER) ?? '', /egress|SupplementaryGroups/);
  assert.doesNotMatch(textOf(stateOf(spec, 'node01', 'api-endpoint'), PROXY) ?? '', /konnectivity/);
  assert.ok(!certificatePlan(spec).certificates.some(({ name }) => name.startsWith('konnectivity')));
});

test('what a deployment starts of konnectivity is on the way to its checks, and not to a Ready node', () => {
  const spec = specWith();
  const verify = deploySteps(spec).find(({ id }) => id === 'verify');
  for (const master of ['master01', 'master02', 'master03']) {
    assert.ok(verify?.needs.includes(`konnectivity-server:${master}`), master);
  }
  const join = addNodeSteps(spec, hostByName(spec, 'node01'));
  assert.ok(join.some(({ id }) => id === 'konnectivity-agent:node01'));
  for (const { id, needs } of join) assert.ok(!needs.includes('konnectivity-agent:node01'), id);
});

test('a master that is a node keeps pods away from its first moment on, unless the spec lets them on', () => {
  const closed = specWith({ master01: stacked });
  const open = specWith({ master01: stacked }, { controlPlane: { schedulable: true } });
  const unit = (spec: ClusterSpec, host: string): string =>
    textOf(stateOf(spec, host, 'kubelet'), '/etc/systemd/system/kubelet.service') ?? '';
  assert.match(unit(closed, 'master01'), /--register-with-taints=node-role\.kubernetes\.io\/control-plane=:NoSchedule/);
  for (const [spec, host] of [
    [closed, 'node01'],
    [open, 'master01'],
  ] as const) {
    assert.ok(!isTainted(spec, hostByName(spec, host)));
    assert.doesNotMatch(unit(spec, host), /taints/);
  }
});

test('a server and an agent that are stopped get the second signal that ends them, and not after 90 s', () => {
  for (const [name, component] of [
    ['master01', 'konnectivity-server'],
    ['node01', 'konnectivity-agent'],
  ] as const) {
    const unit = textOf(stateOf(specWith(), name, component), `/etc/systemd/system/${component}.service`) ?? '';
    assert.match(unit, /^ExecStop=\/bin\/sh -c 'kill -s TERM \$MAINPID && sleep 1'$/m);
    assert.match(unit, /^TimeoutStopSec=10$/m);
  }
});
