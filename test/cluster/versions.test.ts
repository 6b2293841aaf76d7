import assert from 'node:assert/strict';
import { test } from 'node:test';
import { componentState } from '../../cluster/components/index.js';
import { nodeChoices, proxyMode } from '../../cluster/components/kube-proxy.js';
import type { HostFacts } from '../../cluster/facts.js';
import { requireSupport, supportOf } from '../../cluster/versions.js';
import { debianFacts, lockFor, seedDocument, specOf } from './documents.js';

const facts: HostFacts = { ...debianFacts, cgroup: 'v1' };

/** The text of one file of a component, in the seed's cluster at another version. */
function textOf(
  kubernetes: string,
  component: 'kubelet' | 'kube-apiserver' | 'container-runtime',
  path: string,
): string {
  const spec = specOf({ ...seedDocument(), kubernetes });
  const host = spec.hosts.find(({ roles }) =>
    roles.includes(component === 'kube-apiserver' ? 'control-plane' : 'node'),
  );
  assert.ok(host !== undefined);
  const file = componentState(component, { spec, host, lock: lockFor(kubernetes), facts }).files.find(
    (candidate) => candidate.path === path,
  );
  if (file?.content.kind !== 'text') throw new Error(`${component} has no text file ${path}`);
  return file.content.text;
}

const kubeletUnit = '/etc/systemd/system/kubelet.service';
const kubeletConfig = '/var/lib/kubelet/config.yaml';

for (const version of ['v1.19.16', 'v1.21.14', 'v1.30.3', 'v1.34.11', 'v1.38.0', 'v1.99.0']) {
  test(`${version} is refused, with the proven versions and the reason`, () => {
    const support = supportOf(version);
    assert.ok('refusal' in support);
    assert.match(support.allowed, /v1\.20\.x, v1\.35\.x, v1\.36\.x, v1\.37\.x/);
    assert.match(support.refusal, new RegExp(`${version.replaceAll('.', '\\.')} is (older|newer|past)`));
  });
}

test('a newer minor is taken for the newest proven one when the file says so, an older one never', () => {
  const unproven = supportOf('v1.38.0', true);
  assert.ok(!('refusal' in unproven));
  assert.deepEqual(unproven.features, requireSupport('v1.37.0').features);
  assert.ok('refusal' in supportOf('v1.30.0', true));
});

test('flags that a version has lost are not given to it', () => {
  assert.match(textOf('v1.20.2', 'kubelet', kubeletUnit), /--container-runtime=remote/);
  assert.doesNotMatch(textOf('v1.35.8', 'kubelet', kubeletUnit), /--container-runtime/);
  assert.match(textOf('v1.20.2', 'kube-apiserver', '/etc/systemd/system/kube-apiserver.service'), /--insecure-port=0/);
  assert.doesNotMatch(
    textOf('v1.36.4', 'kube-apiserver', '/etc/systemd/system/kube-apiserver.service'),
    /--insecure-port/,
  );
});

test('the kubelet gets the fields that its version knows', () => {
  assert.doesNotMatch(
    textOf('v1.20.2', 'kubelet', kubeletConfig),
    /containerRuntimeEndpoint|failCgroupV1|seccompDefault/,
  );
  const modern = textOf('v1.36.4', 'kubelet', kubeletConfig);
  for (const field of [/containerRuntimeEndpoint: unix:/, /failCgroupV1: false/, /seccompDefault: true/]) {
    assert.match(modern, field);
  }
});

test("containerd's configuration follows its own version", () => {
  const path = '/etc/containerd/config.toml';
  assert.match(
    textOf('v1.20.2', 'container-runtime', path),
    /version = 2\n[\s\S]*sandbox_image = ".*pause:3\.2@sha256:[0-9a-f]{64}"/,
  );
  assert.match(
    textOf('v1.37.2', 'container-runtime', path),
    /version = 3\n[\s\S]*pinned_images\]\n {2}sandbox = ".*pause:3\.10\.2@sha256:[0-9a-f]{64}"/,
  );
  for (const [version, plugin] of [
    ['v1.20.2', 'grpc.v1.cri'],
    ['v1.37.2', 'cri.v1.images'],
  ] as const) {
    const hosts = `[plugins.'io.containerd.${plugin}'.registry]\n  config_path = "/etc/containerd/certs.d"\n`;
    assert.ok(textOf(version, 'container-runtime', path).includes(hosts), version);
  }
});

const modes: readonly (readonly [string, 'auto' | 'ipvs', Partial<HostFacts>, string, boolean])[] = [
  ['v1.20.2', 'auto', {}, 'iptables', false],
  ['v1.36.4', 'auto', {}, 'nftables', false],
  ['v1.36.4', 'auto', { nftables: false }, 'iptables', false],
  ['v1.36.4', 'ipvs', { ipvs: true }, 'ipvs', false],
  ['v1.36.4', 'ipvs', { ipvs: false }, 'ipvs', true],
];
for (const [kubernetes, asked, has, mode, refused] of modes) {
  test(`proxyMode ${asked} at ${kubernetes} with ${JSON.stringify(has)} is ${mode}${refused ? ', refused' : ''}`, () => {
    const seed = seedDocument();
    const spec = specOf({ ...seed, kubernetes, network: { ...seed.network, proxyMode: asked } });
    const decided = proxyMode(spec, { ...facts, ...has });
    assert.equal(decided.mode, mode);
    assert.equal(decided.problem !== undefined, refused);
  });
}

test('a node is told how its Services work and which control groups it has, a master nothing', () => {
  const seed = seedDocument();
  const spec = specOf({ ...seed, kubernetes: 'v1.36.4', network: { ...seed.network, proxyMode: 'auto' } });
  assert.deepEqual(nodeChoices(spec, { roles: ['node'] }, facts), [
    'Services by nftables (the kernel has nf_tables)',
    'cgroup v1 with the systemd driver',
  ]);
  assert.deepEqual(nodeChoices(spec, { roles: ['etcd', 'control-plane'] }, facts), []);
});
