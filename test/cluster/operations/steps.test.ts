import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { componentsOf } from '../../../cluster/components/index.js';
import type { ClusterSpec } from '../../../cluster/spec.js';
import { addNodeSteps } from '../../../cluster/operations/add-node.js';
import { deploySteps } from '../../../cluster/operations/deploy-ha.js';
import type { AnyStep } from '../../../cluster/operations/step.js';
import { hostByName, hostsWithRole } from '../../../cluster/topology.js';
import { anySpec, seedDocument, specOf } from '../documents.js';

/** Steps that only look, or work on the worker alone; all others change a host or the cluster. */
const harmless: readonly string[] = ['preflight', 'admit', 'artifacts'];

/** Every DAG of a spec: the deployment's, and one for each node. */
function dags(spec: ClusterSpec): AnyStep[][] {
  return [deploySteps(spec), ...hostsWithRole(spec, 'node').map((host) => addNodeSteps(spec, host))];
}

/** Ids of everything that must be done before a step; throws on a cycle or a need that does not exist. */
function ancestors(steps: readonly AnyStep[]): Map<string, Set<string>> {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const known = new Map<string, Set<string>>();
  const visit = (id: string, path: readonly string[]): Set<string> => {
    assert.ok(!path.includes(id), `a cycle: ${[...path, id].join(' -> ')}`);
    const earlier = known.get(id);
    if (earlier !== undefined) return earlier;
    const step = byId.get(id);
    assert.ok(step, `${path.at(-1) ?? ''} needs ${id}, which does not exist`);
    const all = new Set(step.needs.flatMap((need) => [need, ...visit(need, [...path, id])]));
    known.set(id, all);
    return all;
  };
  for (const { id } of steps) visit(id, []);
  return known;
}

function everyDag(check: (steps: AnyStep[], spec: ClusterSpec) => void): void {
  fc.assert(fc.property(anySpec, (spec) => dags(spec).forEach((steps) => check(steps, spec))));
}

test('ids are unique, every need exists, and nothing waits for itself', () => {
  everyDag((steps) => {
    assert.equal(new Set(steps.map(({ id }) => id)).size, steps.length);
    ancestors(steps);
  });
});

test('nothing changes a host, the cluster or the certificates before every host has been found fit', () => {
  everyDag((steps) => {
    const before = ancestors(steps);
    const admit = steps.find(({ kind }) => kind === 'admit')?.id ?? '';
    for (const step of steps.filter(({ kind }) => !harmless.includes(kind))) {
      assert.ok(before.get(step.id)?.has(admit), `${step.id} does not wait for admit`);
    }
  });
});

test('every host that a DAG touches is looked at first', () => {
  everyDag((steps) => {
    const admit = steps.find(({ kind }) => kind === 'admit');
    for (const host of new Set(steps.flatMap((step) => step.host ?? []))) {
      assert.ok(admit?.needs.includes(`preflight:${host}`), `admit does not wait for ${host}`);
    }
  });
});

test('every host is looked at, and gets every component of its roles', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const ids = new Set(dags(spec).flatMap((steps) => steps.map(({ id }) => id)));
      for (const host of spec.hosts) {
        assert.ok(ids.has(`preflight:${host.name}`));
        for (const component of componentsOf(spec, host)) assert.ok(ids.has(`${component}:${host.name}`), component);
      }
    }),
  );
});

test('a deployment joins every node, once, and checks the cluster after all else', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const steps = deploySteps(spec);
      assert.deepEqual(
        steps.flatMap((step) => (step.kind === 'join' ? step.host : [])),
        hostsWithRole(spec, 'node').map(({ name }) => name),
      );
      const before = ancestors(steps).get('verify');
      const after = steps.filter(({ id }) => id !== 'verify' && before?.has(id) !== true);
      assert.deepEqual(
        after.map(({ id }) => id),
        [],
      );
    }),
  );
});

test('an id means one step of a whole run, but for looking at a host and preparing it', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const ids = dags(spec).flatMap((steps) => steps.map(({ id }) => id));
      const again = ids.filter((id, index) => ids.indexOf(id) !== index);
      // A node is looked at once more when its turn comes; a host of several roles is prepared by its deployment first.
      for (const id of again) assert.match(id, /^(preflight|host):/);
    }),
  );
});

test('a host that is a server and a node is prepared by its deployment before its join looks at it', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const steps = deploySteps(spec);
      for (const step of steps) {
        if (step.kind !== 'join') continue;
        const prepared = steps.some(({ id }) => id === `host:${step.host}`);
        assert.equal(step.needs.includes(`host:${step.host}`), prepared);
      }
    }),
  );
});

test('no pod of an addon asks for an image before it is on every node', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const before = ancestors(deploySteps(spec));
      for (const { name } of hostsWithRole(spec, 'node')) assert.ok(before.get('coredns')?.has(`join:${name}`), name);
    }),
  );
  for (const { name } of hostsWithRole(specOf(seedDocument()), 'node')) {
    const steps = addNodeSteps(specOf(seedDocument()), hostByName(specOf(seedDocument()), name));
    assert.ok(steps.some(({ id }) => id === `addon-images:${name}`));
    assert.ok(
      !ancestors(steps).get(`node-ready:${name}`)?.has(`addon-images:${name}`),
      'the node is Ready without them',
    );
  }
});

test('an id tells what is done and where', () => {
  everyDag((steps) => {
    for (const { id, kind, name = kind, host } of steps)
      assert.equal(id, host === undefined ? name : `${name}:${host}`);
  });
});

test('titles are sentences, different from each other, that name their host', () => {
  everyDag((steps) => {
    assert.equal(new Set(steps.map(({ title }) => title)).size, steps.length);
    for (const { title, host } of steps) {
      assert.match(title, /^[A-Z].* .*[a-z0-9)]$/);
      if (host !== undefined) assert.ok(title.includes(host), `"${title}" does not name ${host}`);
    }
  });
});

test('no API server starts before etcd has a leader, and no kubelet before the controllers can sign', () => {
  const spec = specOf(seedDocument());
  const deployment = ancestors(deploySteps(spec));
  const [node] = hostsWithRole(spec, 'node');
  assert.ok(node);
  const join = ancestors(addNodeSteps(spec, node));
  for (const master of ['master01', 'master02', 'master03']) {
    assert.ok(deployment.get(`kube-apiserver:${master}`)?.has('etcd-health'));
  }
  assert.ok(join.get('kubelet:node01')?.has('controllers:node01'));
  assert.ok(join.get('approve-csr:node01')?.has('bootstrap-token:node01'));
  assert.ok(join.get('revoke-token:node01')?.has('node-ready:node01'));
});
