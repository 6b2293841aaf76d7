import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { appliedKinds, manifestSet, manifestSets, SET_LABEL } from '../../cluster/addons/index.js';
import type { Description } from '../../cluster/artifacts.js';
import { IssuedPem, type Manifest } from '../../cluster/addons/manifest.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { anySpec, lockFor, seedDocument, specOf } from './documents.js';

const clusterScoped = ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'APIService'];

function described(spec: ClusterSpec): Description {
  return { spec, lock: lockFor(spec.kubernetes) };
}

function manifests(spec: ClusterSpec): Manifest[] {
  return manifestSets.flatMap((set) => manifestSet(set, described(spec)));
}

/** Every value of a key, anywhere inside. */
function valuesOf(key: string, node: unknown): unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => [
    ...(name === key ? [value as unknown] : []),
    ...valuesOf(key, value),
  ]);
}

test('every namespaced object has its namespace, and no other has one', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      for (const { kind, metadata } of manifests(spec)) {
        assert.equal(metadata.namespace !== undefined, !clusterScoped.includes(kind), `${kind} ${metadata.name}`);
      }
    }),
  );
});

test('a namespace that the deployer makes comes before what lives in it', () => {
  const set = manifestSet('flannel', described(specOf(seedDocument())));
  assert.equal(set[0]?.kind, 'Namespace');
  const own = set.filter(({ kind }) => !clusterScoped.includes(kind));
  assert.ok(own.length > 0 && own.every(({ metadata }) => metadata.namespace === set[0]?.metadata.name));
});

test('what a set no longer has can be found by its label and kind', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      for (const set of manifestSets) {
        for (const { apiVersion, kind, metadata } of manifestSet(set, described(spec))) {
          assert.equal(metadata.labels?.[SET_LABEL], set);
          // A namespace goes with everything in it, so none is ever removed for being left over.
          assert.ok(kind === 'Namespace' || appliedKinds.some(([a, k]) => a === apiVersion && k === kind), kind);
        }
      }
    }),
  );
});

test('no object is described twice', () => {
  const names = manifests(specOf(seedDocument())).map(
    ({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
  );
  assert.equal(new Set(names).size, names.length);
});

// Server-side apply merges ports by port and protocol; without the protocol two of one number become one
// (kubernetes/kubernetes#105610).
test('every port says its protocol', () => {
  const lists = manifests(specOf(seedDocument())).flatMap((manifest) => valuesOf('ports', manifest));
  const ports = (lists as { protocol?: string; name?: string }[][]).flat();
  assert.ok(ports.length > 0);
  for (const { protocol, name } of ports) assert.ok(protocol === 'TCP' || protocol === 'UDP', name);
});

for (const kubernetes of ['v1.20.2', 'v1.37.2']) {
  const spec = specOf({ ...seedDocument(), kubernetes });

  test(`images are those of the lock file of ${kubernetes}, each by its digest, and no others`, () => {
    const lock = lockFor(kubernetes);
    const images = manifests(spec).flatMap((manifest) => valuesOf('image', manifest));
    // The runtime has the first for sandboxes, the checks have the other.
    const elsewhere = ['pause', 'agnhost'];
    const wanted = lock.images.filter(({ name }) => !elsewhere.includes(name)).map(({ reference }) => reference);
    assert.deepEqual([...new Set(images)].sort(), wanted.sort());
    for (const { reference } of lock.images) assert.match(reference, /@sha256:[0-9a-f]{64}$/);
  });

  test(`a binding of ${kubernetes} binds roles and accounts that exist`, () => {
    const all = manifests(spec);
    const has = (kind: string, name: unknown): boolean =>
      all.some((manifest) => manifest.kind === kind && manifest.metadata.name === name);
    // Roles of Kubernetes itself.
    const builtIn = [
      'system:node-bootstrapper',
      'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
      'system:auth-delegator',
      'system:kubelet-api-admin',
      'cluster-admin',
    ];
    for (const binding of all.filter(({ kind }) => kind === 'ClusterRoleBinding')) {
      const { name } = binding['roleRef'] as { name: string };
      assert.ok(builtIn.includes(name) || has('ClusterRole', name), name);
      for (const subject of binding['subjects'] as { kind: string; name: string }[]) {
        if (subject.kind === 'ServiceAccount') assert.ok(has('ServiceAccount', subject.name), subject.name);
      }
    }
  });
}

test('no binding lets a node approve a request, its own first one included', () => {
  const roles = manifestSet('bootstrap-rbac', described(specOf(seedDocument()))).map(
    (binding) => (binding['roleRef'] as { name: string }).name,
  );
  assert.ok(!roles.some((name) => name.endsWith(':nodeclient')), roles.join());
});

test("the pod network and DNS are the spec's", () => {
  const spec = specOf(seedDocument());
  const config = manifestSet('flannel', described(spec)).find(({ kind }) => kind === 'ConfigMap');
  const { 'net-conf.json': network } = config?.['data'] as Record<string, string>;
  assert.deepEqual(JSON.parse(network ?? ''), {
    Network: '10.244.0.0/16',
    Backend: { Type: 'vxlan', DirectRouting: true },
  });
  const service = manifestSet('coredns', described(spec)).find(({ kind }) => kind === 'Service');
  assert.equal((service?.['spec'] as { clusterIP: string }).clusterIP, '10.64.0.10');
});

test('DNS has two replicas on two nodes or more, and never more than there are nodes', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const nodes = spec.hosts.filter(({ roles }) => roles.includes('node')).length;
      const deployment = manifestSet('coredns', described(spec)).find(({ kind }) => kind === 'Deployment');
      assert.equal((deployment?.['spec'] as { replicas: number }).replicas, Math.min(2, nodes));
    }),
  );
});

test('metrics-server is known to API servers by an authority of its own, and knows kubelets by theirs', () => {
  const set = manifestSet('metrics-server', described(specOf({ ...seedDocument(), kubernetes: 'v1.37.2' })));
  const of = (kind: string): Manifest => set.find((manifest) => manifest.kind === kind) ?? assert.fail(kind);
  const pem = (kind: 'certificate' | 'private-key', name: string, encoding: 'base64' | 'text'): IssuedPem =>
    new IssuedPem(kind === 'certificate' ? { kind, certificate: name } : { kind, key: name }, encoding);
  const { insecureSkipTLSVerify, caBundle } = of('APIService')['spec'] as Record<string, unknown>;
  assert.deepEqual([insecureSkipTLSVerify, caBundle], [undefined, pem('certificate', 'metrics-server-ca', 'base64')]);
  assert.deepEqual(of('Secret')['data'], {
    'tls.crt': pem('certificate', 'metrics-server', 'base64'),
    'tls.key': pem('private-key', 'metrics-server', 'base64'),
  });
  assert.deepEqual(of('ConfigMap')['data'], {
    'kubelet-serving-ca.crt': pem('certificate', 'kubelet-serving-ca', 'text'),
  });
  const args = valuesOf('args', of('Deployment')).flat();
  assert.ok(args.includes('--kubelet-certificate-authority=/etc/metrics-server/kubelet-serving-ca.crt'));
});

test('nothing that a pod needs hangs on a hook, which a kubelet that is restarted in between does not call again', () => {
  assert.deepEqual(
    manifests(specOf(seedDocument())).flatMap((manifest) => valuesOf('lifecycle', manifest)),
    [],
  );
  const [probe] = manifestSet('flannel', described(specOf(seedDocument()))).flatMap((m) => valuesOf('startupProbe', m));
  assert.match(JSON.stringify(probe), /10-flannel\.conflist/);
});
