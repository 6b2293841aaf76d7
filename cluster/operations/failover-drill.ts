import { inTurn, type StepOf } from './step.js';

export type DrillStep = StepOf<{
  readonly kind: 'healthy' | 'victim' | 'power-off' | 'lease-moves' | 'reach' | 'power-on' | 'recovered';
}>;

/** The plan of `failover-drill`. Which host it is about is found on the way. */
export function drillSteps(): DrillStep[] {
  return inTurn([
    [{ kind: 'healthy' }, 'See every master, etcd member and node healthy'],
    [{ kind: 'victim' }, 'Find who holds the lease'],
    [{ kind: 'power-off' }, 'Power the holder off'],
    [{ kind: 'lease-moves' }, 'See the leases move to another master'],
    [{ kind: 'reach' }, 'See pods, Services and a webhook through the other API servers'],
    [{ kind: 'power-on' }, 'Power the host on again'],
    [{ kind: 'recovered' }, 'See the host back and all as before'],
  ]);
}
