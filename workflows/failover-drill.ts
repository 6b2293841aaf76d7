import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import { brief, long, patient } from './activities.js';
import type { LeaseHolders } from '../cluster/leases.js';
import { drillSteps, type DrillStep } from '../cluster/operations/failover-drill.js';
import { FATAL } from './engine/failures.js';
import type { Handlers } from './engine/handlers.js';
import type { Continued } from './engine/continuation.js';
import { Run } from './engine/run.js';
import { hostBackSignal, type DrillInput } from './messages.js';

export interface DrillResult {
  readonly victim: string;
  readonly before: LeaseHolders;
  readonly after: LeaseHolders;
  /** Seconds from the power-off to the last of the victim's leases in another hand. */
  readonly leaseMoveSeconds: number;
  /** Nodes that were seen not Ready while the victim was away. */
  readonly nodesNotReady: readonly string[];
}

/** What a drill remembers besides its steps. */
interface Facts {
  /** A person says that the victim has its power again. */
  isBack: boolean;
  victim?: string;
  before?: LeaseHolders;
  /** ISO 8601. */
  poweredOffAt?: string;
  watched?: Pick<DrillResult, 'after' | 'leaseMoveSeconds' | 'nodesNotReady'>;
}

/**
 * Powers off the master that holds a lease, sees the lease move, and brings the master back (seed, "master故障").
 * Nothing starts unless the others keep their quorum without it, and the run does not end before all is as it was.
 */
export async function failoverDrill(continued: Continued<DrillInput, DrillStep, Facts>): Promise<DrillResult> {
  const run = new Run<DrillInput, DrillStep, Facts>('failover-drill', continued, {
    isBack: false,
  });
  const { input, facts } = run;
  setHandler(hostBackSignal, (message) => {
    run.heard('host-back', message, (host) => {
      if (host !== facts.victim || facts.poweredOffAt === undefined)
        return `no host ${host} was powered off by this run`;
      facts.isBack = true;
      return undefined;
    });
  });

  const handlers: Handlers<DrillStep> = {
    healthy: ({ title }) => brief.checkControlPlane.executeWithOptions({ summary: title }, [input]),
    victim: async ({ title }) => {
      const found = await brief.findVictim.executeWithOptions({ summary: title }, [input, input.lease]);
      facts.victim = found.victim;
      facts.before = found.holders;
      return found;
    },
    'power-off': () => {
      const victim = known(facts.victim);
      // Workflow time: it stays the same however often the activity is tried.
      facts.poweredOffAt = new Date().toISOString();
      return brief.powerOff.executeWithOptions({ summary: `Power ${victim} off` }, [input, victim]);
    },
    'lease-moves': async ({ title }) => {
      const { attempts, ...seen } = await long.watchLeasesMove.executeWithOptions({ summary: title }, [
        input,
        known(facts.victim),
        known(facts.before),
        known(facts.poweredOffAt),
      ]);
      facts.watched = seen;
      return { attempts, changed: 0, note: `moved after ${seen.leaseMoveSeconds.toFixed(1)} s` };
    },
    reach: ({ title }) => long.checkReach.executeWithOptions({ summary: title }, [input, known(facts.victim)]),
    'power-on': async () => {
      const victim = known(facts.victim);
      const on = await brief.powerOn.executeWithOptions({ summary: `Power ${victim} on` }, [input, victim]);
      if (!on.byCommand) {
        run.waitFor(
          `switch ${victim} on, then say so: start-workflow host-back ${victim} --cluster ${input.cluster} --reason ...`,
        );
        await run.person(() => facts.isBack);
        run.waitFor(undefined);
      }
      return on;
    },
    recovered: () => {
      const victim = known(facts.victim);
      return patient.awaitRecovery.executeWithOptions({ summary: `See ${victim} back and all as before` }, [
        input,
        victim,
      ]);
    },
  };

  await run.perform(() => Promise.resolve(drillSteps()), handlers);
  return { victim: known(facts.victim), before: known(facts.before), ...known(facts.watched) };
}

/** A value that an earlier step has set; a person who skipped that step cannot have this one. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw ApplicationFailure.nonRetryable('a step that this one needs was skipped', FATAL);
  return value;
}
