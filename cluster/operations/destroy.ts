import type { ClusterSpec, Host } from '../spec.js';
import { perHost, step, type StepOf } from './step.js';

type RemovalStep = StepOf<{ readonly kind: 'remove'; readonly host: string }>;

export type DestroyStep =
  | RemovalStep
  | StepOf<
      | { readonly kind: 'preflight'; readonly host: string }
      | { readonly kind: 'admit' }
      | { readonly kind: 'remove-kubeconfig' }
    >;

/**
 * The plan of `destroy`: every host is looked at before the first is touched; then nodes, masters and etcd hosts, in the
 * opposite order of their start. A host of several roles has its turn with the last of them.
 */
export function destroySteps(spec: ClusterSpec): DestroyStep[] {
  const phases: (readonly Host[])[] = [
    spec.hosts.filter(({ roles }) => !roles.includes('control-plane') && !roles.includes('etcd')),
    spec.hosts.filter(({ roles }) => roles.includes('control-plane') && !roles.includes('etcd')),
    spec.hosts.filter(({ roles }) => roles.includes('etcd')),
  ];
  const preflight = perHost(spec.hosts, ({ name }) =>
    step({ kind: 'preflight', host: name }, `Look at ${name} before touching it`, []),
  );
  const admit = step({ kind: 'admit' }, 'Decide that every host is ours to clean', preflight.all);
  const removals: RemovalStep[] = [];
  let before: readonly Pick<DestroyStep, 'id'>[] = [admit];
  for (const hosts of phases.filter(({ length }) => length > 0)) {
    const needs = before;
    const phase = hosts.map(({ name }) =>
      step({ kind: 'remove', host: name }, `Bring ${name} back to what it was`, needs),
    );
    removals.push(...phase);
    before = phase;
  }
  return [
    ...preflight.all,
    admit,
    ...removals,
    step({ kind: 'remove-kubeconfig' }, "Remove the operator's kubeconfig", before),
  ];
}
