import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestSet, manifestSets } from '../../cluster/addons/index.js';
import { artifactLockSchema } from '../../cluster/artifacts.js';
import { componentsOf, componentState } from '../../cluster/components/index.js';
import type { DesiredFile } from '../../cluster/desired-state.js';
import { certificatePlan } from '../../cluster/pki.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { debianFacts, lockFor, seedDocument, specOf } from '../cluster/documents.js';

/** Who takes over one program, or holds one certificate, of a cluster gets nothing of another. */

const specs = ['v1.20.2', 'v1.35.7', 'v1.36.3', 'v1.37.1'].map((kubernetes) =>
  specOf({ ...seedDocument(), kubernetes }),
);

/** The files of every host of a cluster. */
function hostsOf(spec: ClusterSpec): DesiredFile[][] {
  const lock = lockFor(spec.kubernetes);
  return spec.hosts.map((host) =>
    componentsOf(spec, host).flatMap(
      (component) => componentState(component, { spec, host, lock, facts: debianFacts }).files,
    ),
  );
}

/** What is written of a flag in the units of a program, each once. */
function flagsOf(spec: ClusterSpec, program: string, flag: RegExp): string[] {
  const units = hostsOf(spec)
    .flat()
    .filter(({ path }) => path === `/etc/systemd/system/${program}.service`);
  assert.ok(units.length > 0, program);
  const found = units.flatMap(({ content }) =>
    content.kind === 'text' ? [...content.text.matchAll(/^ +--(\S+?)(?: \\)?$/gm)].map(([, text = '']) => text) : [],
  );
  return [...new Set(found.filter((text) => flag.test(text)))].sort();
}

test("no two units share an account, whose processes could read each other's keys", () => {
  for (const files of specs.flatMap(hostsOf)) {
    const users = files.flatMap(({ content }) =>
      content.kind === 'text' ? [...content.text.matchAll(/^User=(.+)$/gm)].map(([, user]) => user) : [],
    );
    assert.ok(users.length >= 1);
    assert.equal(new Set(users).size, users.length, users.join(', '));
  }
});

test('only the certificate that never leaves the state store bypasses RBAC', () => {
  for (const spec of specs) {
    const masters = certificatePlan(spec)
      .certificates.filter(({ organizations }) => organizations.includes('system:masters'))
      .map(({ name }) => name);
    assert.deepEqual(masters, ['super-admin']);
    const sent = hostsOf(spec)
      .flat()
      .flatMap(({ content }) => ('certificate' in content ? [content.certificate] : []));
    assert.ok(sent.length > 20);
    assert.ok(!sent.includes('super-admin'));
  }
});

test("etcd takes for a peer nobody who has a client's certificate", () => {
  for (const spec of specs) {
    const [allowed = ''] = flagsOf(spec, 'etcd', /^peer-cert-allowed-cn=/).map((flag) => flag.split('=')[1]);
    const named = certificatePlan(spec).certificates.filter(({ commonName }) => commonName === allowed);
    assert.ok(named.length > 0);
    assert.deepEqual([...new Set(named.map(({ name }) => name.split('/')[0]))], ['etcd-peer']);
    assert.deepEqual(flagsOf(spec, 'etcd', /^(peer-)?client-cert-auth=/), [
      'client-cert-auth=true',
      'peer-client-cert-auth=true',
    ]);
  }
});

test("the controller manager has a key for no signer but the kubelets'", () => {
  for (const spec of specs) {
    const signers = flagsOf(spec, 'kube-controller-manager', /^cluster-signing-/).map((flag) => flag.split('=')[0]);
    assert.deepEqual(signers, [
      'cluster-signing-kubelet-client-cert-file',
      'cluster-signing-kubelet-client-key-file',
      'cluster-signing-kubelet-serving-cert-file',
      'cluster-signing-kubelet-serving-key-file',
    ]);
  }
});

test('every image that hosts pull is named by its digest, and a lock with a tag alone is refused', () => {
  for (const spec of specs) {
    const lock = lockFor(spec.kubernetes);
    const texts = [
      ...hostsOf(spec)
        .flat()
        .flatMap(({ content }) => (content.kind === 'text' ? [content.text] : [])),
      ...manifestSets.map((set) => JSON.stringify(manifestSet(set, { spec, lock }))),
    ].join('\n');
    const pulled = lock.images.filter(({ name }) => name !== 'agnhost').map(({ reference }) => reference);
    assert.ok(pulled.length >= 3);
    for (const reference of pulled) {
      assert.match(reference, /@sha256:[0-9a-f]{64}$/);
      const [image = ''] = reference.split(':');
      assert.equal(texts.split(`${image}:`).length, texts.split(reference).length, `${image} by another name`);
      assert.ok(texts.includes(reference), reference);
    }
    const named = [...texts.matchAll(/"image":"([^"]+)"/g)].map(([, image = '']) => image);
    for (const image of named) assert.ok(pulled.includes(image), image);
  }
  const byTag = {
    kubernetes: 'v1.37.1',
    artifacts: [],
    images: [{ name: 'pause', reference: 'registry.k8s.io/pause:3.10' }],
  };
  assert.equal(artifactLockSchema.safeParse(byTag).success, false);
});
