import type { Component } from '../components/index.js';
import type { Host } from '../spec.js';
import { perHost, step, type AnyStep, type StepOf } from './step.js';

/** What comes before a host is touched, in a deployment and in a join. */
export type PreparationStep = StepOf<
  | { readonly kind: 'preflight'; readonly host: string }
  | { readonly kind: 'admit'; readonly host?: string }
  | { readonly kind: 'artifacts'; readonly host?: string }
  | { readonly kind: 'certificates'; readonly host?: string }
>;

/** Brings one component on one host to its desired state. */
export type ComponentStep = StepOf<{ readonly kind: 'component'; readonly name: Component; readonly host: string }>;

interface Preparation {
  readonly steps: readonly PreparationStep[];
  readonly admit: PreparationStep;
  readonly artifacts: PreparationStep;
  readonly certificates: PreparationStep;
}

/**
 * Looks at every host, makes certificates and fetches programs; nothing is changed on a host before `admit`.
 *
 * @param node - the node that the plan joins; its name is in every id, so that an id means one step of a whole run
 */
export function preparation(hosts: readonly Host[], node?: Host): Preparation {
  const of = node === undefined ? {} : { host: node.name };
  const about = (title: string): string => (node === undefined ? title : `${title}, for ${node.name}`);
  const preflight = perHost(hosts, ({ name }) =>
    step({ kind: 'preflight', host: name }, `Look at ${name} before touching it`, []),
  );
  const fit = hosts.length === 1 ? 'Decide that the host is fit' : 'Decide that every host is fit';
  const admit = step({ kind: 'admit', ...of }, about(fit), preflight.all);
  const artifacts = step({ kind: 'artifacts', ...of }, about('Fetch and check the official programs'), []);
  const certificates = step({ kind: 'certificates', ...of }, about('Make certificates, or reuse valid ones'), [admit]);
  return { steps: [...preflight.all, admit, artifacts, certificates], admit, artifacts, certificates };
}

export function component(
  name: Component,
  { name: host }: Pick<Host, 'name'>,
  title: string,
  needs: readonly Pick<AnyStep, 'id'>[],
): ComponentStep {
  return step({ kind: 'component', name, host }, title, needs);
}
