import type { RotationPhase } from '../encryption.js';
import type { ClusterSpec } from '../spec.js';
import { hostsWithRole } from '../topology.js';
import { inTurn, type StepOf } from './step.js';

type RotationAction =
  | { readonly kind: 'key'; readonly name: RotationPhase }
  | { readonly kind: 'api-server'; readonly name: RotationPhase; readonly host: string }
  | { readonly kind: 'rewrite' };

export type RotationStep = StepOf<RotationAction>;

const phases: readonly (readonly [RotationPhase, string, (host: string) => string])[] = [
  ['introduced', 'Make a new key that decrypts', (host) => `Give ${host} the new key, to decrypt with`],
  ['promoted', 'Let the new key encrypt', (host) => `Let ${host} encrypt with the new key`],
  ['settled', 'Take the old key away', (host) => `Take the old key from ${host}`],
];

/**
 * The plan of `rotate-encryption-key`, one step after the other: a phase begins when every API server has the one
 * before. Between the last two, every Secret is written anew.
 */
export function rotationSteps(spec: ClusterSpec): RotationStep[] {
  const masters = hostsWithRole(spec, 'control-plane');
  return inTurn(
    phases.flatMap(([name, title, on]): [RotationAction, string][] => [
      ...(name === 'settled'
        ? [[{ kind: 'rewrite' }, 'Write every Secret anew, with the new key'] as [RotationAction, string]]
        : []),
      [{ kind: 'key', name }, title],
      ...masters.map(({ name: host }): [RotationAction, string] => [{ kind: 'api-server', name, host }, on(host)]),
    ]),
  );
}
