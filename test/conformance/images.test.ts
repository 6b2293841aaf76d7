import assert from 'node:assert/strict';
import test from 'node:test';
import { hostsFile } from '../../lab/conformance/hosts.js';
import { imageStep } from '../../lab/conformance/image-step.js';
import { images, imageSources } from '../../lab/conformance/images.js';
import { parseReference } from '../../lab/conformance/registry.js';
import { suiteModule } from '../../lab/conformance/suite.js';
import { cacheUsers } from '../../lab/mirror/index.js';
import { newestVersion, plans } from '../../lab/mirror/plans/index.js';
import type { Step } from '../../lab/mirror/step.js';

const plan = plans.find(({ kubernetes }) => kubernetes === newestVersion);

void test('every image takes its files from sources that exist', () => {
  assert.ok(plan);
  const step: Step = { name: 'any', recipe: {}, code: [], inputs: {}, run: () => Promise.resolve() };
  const sources = Object.fromEntries(Object.keys(imageSources(plan)).map((name) => [name, step]));
  for (const [repository, image] of Object.entries(images)) {
    assert.ok(Object.keys(imageStep(repository, image, sources).inputs).length > 0, repository);
    assert.throws(
      () => imageStep(repository, image, {}),
      new RegExp(`image ${repository} refers to an unknown source`),
    );
  }
});

void test('the programs of the suite are of the version of the cluster, and so are the modules of its repository', () => {
  const { version, siblings, variables } = suiteModule('v1.36.4');
  assert.deepEqual([version, siblings], ['v1.36.4', 'v0.36.4']);
  assert.equal(variables?.['k8s.io/component-base/version.gitVersion'], 'v1.36.4');
});

void test('what the suites have built is kept when a mirror is filled', () => {
  const users = cacheUsers();
  for (const user of ['v1.37.2', 'conformance-suite-v1.37', 'conformance-images-v1.37', 'kube-bench'])
    assert.ok(users.includes(user), user);
});

void test('a reference is read in its parts', () => {
  assert.deepEqual(parseReference('registry.k8s.io/e2e-test-images/agnhost:2.66.1'), {
    registry: 'registry.k8s.io',
    path: 'e2e-test-images/agnhost',
    tag: '2.66.1',
  });
  assert.throws(() => parseReference('agnhost'), /"agnhost" is no reference of an image/);
});

void test("containerd's file for a registry names the registry as the one behind, and is known as ours", () => {
  assert.equal(
    hostsFile('registry.k8s.io', 'http://172.16.0.1:5000'),
    [
      '# written by script/conformance',
      'server = "https://registry.k8s.io"',
      '[host."http://172.16.0.1:5000"]',
      '  capabilities = ["pull", "resolve"]',
      '',
    ].join('\n'),
  );
});
