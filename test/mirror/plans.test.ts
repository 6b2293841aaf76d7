import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { artifactStep } from '../../lab/mirror/content.js';
import type { MirrorPlan } from '../../lab/mirror/plan.js';
import { plans } from '../../lab/mirror/plans/index.js';
import { GO } from '../../lab/mirror/plans/parts.js';
import { prerequisites } from '../../lab/mirror/prerequisites.js';
import type { Step } from '../../lab/mirror/step.js';

function planOf(minor: string): MirrorPlan {
  const plan = plans.find(({ kubernetes }) => kubernetes.startsWith(`v${minor}.`));
  assert.ok(plan, minor);
  return plan;
}

function versionsOf(plan: MirrorPlan): Record<string, string> {
  return Object.fromEntries(plan.artifacts.map(({ name, version }) => [name, version]));
}

void test('each artifact of a plan has a name, an address that names its version, and sources that exist', () => {
  for (const plan of plans) {
    const names = plan.artifacts.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, url, version } of plan.artifacts) assert.ok(url.includes(version), `${name}: ${url}`);
    const step: Step = { name: 'any', recipe: {}, code: [], inputs: {}, run: () => Promise.resolve() };
    const sources = Object.fromEntries(Object.keys(plan.sources).map((name) => [name, step]));
    for (const artifact of plan.artifacts) artifactStep(artifact, sources);
    const [artifact] = plan.artifacts;
    assert.ok(artifact);
    assert.throws(() => artifactStep(artifact, {}), /kubernetes-server refers to an unknown source "kubernetes"/);
  }
});

void test('what is made from another source stands after it in the plan', () => {
  for (const { kubernetes, sources } of plans) {
    const order = Object.keys(sources);
    for (const [name, source] of Object.entries(sources)) {
      const needed =
        'source' in source ? source.source : source.kind === 'go-module' ? source.cgo?.libraries : undefined;
      if (needed !== undefined) assert.ok(order.indexOf(needed) < order.indexOf(name), `${kubernetes}: ${name}`);
    }
  }
});

void test("every version's mirror has the seed's artifacts under the seed's names", () => {
  const seed = Object.keys(versionsOf(planOf('1.20')));
  for (const plan of plans) {
    const names = Object.keys(versionsOf(plan));
    for (const name of seed) assert.ok(names.includes(name), `${plan.kubernetes}: ${name}`);
  }
});

void test('etcd, CoreDNS and pause are those that kubeadm pairs with the minor', () => {
  const expected = {
    '1.35': { etcd: '3.6', 'image-coredns': '1.13.1', 'image-pause': '3.10.1' },
    '1.36': { etcd: '3.6', 'image-coredns': '1.14.2', 'image-pause': '3.10.2' },
    '1.37': { etcd: '3.7', 'image-coredns': '1.14.6', 'image-pause': '3.10.2' },
  };
  for (const [minor, parts] of Object.entries(expected)) {
    const versions = versionsOf(planOf(minor));
    for (const [name, version] of Object.entries(parts)) {
      assert.ok(`${versions[name] ?? ''}.`.startsWith(`${version}.`), `${minor}: ${name} ${versions[name] ?? ''}`);
    }
  }
});

void test("Kubernetes' programs are told their exact version, and its staging modules are of the same release", () => {
  const source = planOf('1.36').sources['kubernetes'];
  assert.equal(source?.kind, 'go-module');
  assert.match(source.version, /^v1\.36\.\d+$/);
  assert.equal(source.siblings, source.version.replace('v1.', 'v0.'));
  assert.equal(source.variables?.['k8s.io/component-base/version.gitVersion'], source.version);
  assert.equal(source.variables['k8s.io/component-base/version.gitMinor'], '36');
});

void test('what two versions share is described equally, so that it is built once', () => {
  const [one, other] = [planOf('1.36'), planOf('1.37')];
  for (const name of ['containerd', 'runc', 'cni-plugins', 'flannel', 'flannel-tools', 'metrics-server', 'busybox']) {
    assert.ok(one.sources[name]);
    assert.deepEqual(one.sources[name], other.sources[name], name);
  }
});

void test('the prerequisites of the plans name their compilers', () => {
  const needed = prerequisites(plans);
  for (const name of ['golang-1.19-go', 'dpkg-dev', 'gcc', 'pkg-config']) assert.ok(needed.includes(name), name);
  assert.deepEqual(needed, [...new Set(needed)].sort());
  assert.ok(!prerequisites([planOf('1.20')]).includes('pkg-config'));
});

void test('set-up fetches the Go that the plans are pinned to', async () => {
  const script = await readFile(join(import.meta.dirname, '../../../script/setup'), 'utf8');
  assert.ok(script.includes(`\ngo_version=${GO}\n`));
});
