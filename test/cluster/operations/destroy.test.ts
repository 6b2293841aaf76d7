import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { destroySteps } from '../../../cluster/operations/destroy.js';
import type { ClusterSpec } from '../../../cluster/spec.js';
import type { AnyStep } from '../../../cluster/operations/step.js';
import { anySpec } from '../documents.js';

/** Everything that must be done before a step. */
function ancestors(steps: readonly AnyStep[], id: string): Set<string> {
  const step = steps.find((candidate) => candidate.id === id);
  assert.ok(step, `${id} does not exist`);
  return new Set(step.needs.flatMap((need) => [need, ...ancestors(steps, need)]));
}

function everyDag(check: (steps: AnyStep[], spec: ClusterSpec) => void): void {
  fc.assert(fc.property(anySpec, (spec) => check(destroySteps(spec), spec)));
}

test('every host is brought back once, and only after every host has been looked at', () => {
  everyDag((steps, spec) => {
    assert.deepEqual(
      steps.flatMap(({ kind, host }) => (kind === 'remove' && host !== undefined ? host : [])).sort(),
      spec.hosts.map(({ name }) => name).sort(),
    );
    for (const { id } of steps.filter(({ kind }) => kind === 'remove')) {
      const before = ancestors(steps, id);
      assert.ok(before.has('admit'));
      for (const { name } of spec.hosts) assert.ok(before.has(`preflight:${name}`));
    }
  });
});

test('no master goes before the nodes, and no etcd host before the masters', () => {
  everyDag((steps, spec) => {
    const phase = (host: { roles: readonly string[] }): number =>
      host.roles.includes('etcd') ? 2 : host.roles.includes('control-plane') ? 1 : 0;
    for (const later of spec.hosts) {
      const before = ancestors(steps, `remove:${later.name}`);
      for (const earlier of spec.hosts) {
        assert.equal(
          before.has(`remove:${earlier.name}`),
          phase(earlier) < phase(later),
          `${earlier.name} before ${later.name}`,
        );
      }
    }
  });
});

test('the kubeconfig goes last, ids are unique, and titles are sentences that name their host', () => {
  everyDag((steps) => {
    assert.equal(ancestors(steps, 'remove-kubeconfig').size, steps.length - 1);
    assert.equal(new Set(steps.map(({ id }) => id)).size, steps.length);
    for (const { title, host } of steps) {
      assert.match(title, /^[A-Z].* .*[a-z0-9]$/);
      if (host !== undefined) assert.ok(title.includes(host));
    }
  });
});
