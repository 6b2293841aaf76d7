import type { RotationPhase } from './encryption.js';
import type { ClusterSpec } from './spec.js';
import { hostsWithRole } from './topology.js';

export interface RotationStep {
  readonly id: string;
  readonly title: string;
  readonly host?: string;
  readonly needs: readonly string[];
  readonly action:
    | { readonly kind: 'key'; readonly phase: RotationPhase }
    | { readonly kind: 'api-server'; readonly host: string }
    | { readonly kind: 'rewrite' };
}

const phases: readonly (readonly [RotationPhase, string, (host: string) => string])[] = [
  ['introduced', 'Make a new key that decrypts', (host) => `Give ${host} the new key, to decrypt with`],
  ['promoted', 'Let the new key encrypt', (host) => `Let ${host} encrypt with the new key`],
  ['settled', 'Take the old key away', (host) => `Take the old key from ${host}`],
];

/**
 * The rotation of the key that encrypts Secrets, one step after the other: a phase begins when every API server has the
 * one before, and no API server is touched while another is not well. Between the last two, every Secret is written anew.
 */
export function rotationSteps(spec: ClusterSpec): RotationStep[] {
  const masters = hostsWithRole(spec, 'control-plane');
  const steps = phases.flatMap(([phase, title, on]): Omit<RotationStep, 'needs'>[] => [
    ...(phase === 'settled'
      ? [{ id: 'rewrite', title: 'Write every Secret anew, with the new key', action: { kind: 'rewrite' } as const }]
      : []),
    { id: phase, title, action: { kind: 'key', phase } },
    ...masters.map(({ name }) => ({
      id: `${phase}:${name}`,
      title: on(name),
      host: name,
      action: { kind: 'api-server', host: name } as const,
    })),
  ]);
  return steps.map((step, index) => ({
    ...step,
    needs: steps.slice(Math.max(0, index - 1), index).map(({ id }) => id),
  }));
}
