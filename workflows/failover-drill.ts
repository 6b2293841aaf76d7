import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import { brief, long, patient } from './activities.js';
import { FATAL, type DagStep, type StepOutcome, type StepRecord } from './dag.js';
import { hostBackSignal, type DrillInput } from './messages.js';
import type { LeaseHolders } from '../cluster/leases.js';
import { Run, type Continued } from './run.js';

export interface DrillResult {
  readonly victim: string;
  readonly before: LeaseHolders;
  readonly after: LeaseHolders;
  /** Seconds from the power-off to the last of the victim's leases in another hand. */
  readonly leaseMoveSeconds: number;
  /** Nodes that were seen not Ready while the victim was away. */
  readonly nodesNotReady: readonly string[];
  readonly steps: readonly StepRecord[];
}

/** What a drill remembers besides its steps. */
interface Facts {
  /** A person says that the victim has its power again. */
  isBack: boolean;
  victim: string;
  before?: LeaseHolders;
  /** ISO 8601. */
  poweredOffAt: string;
  watched?: Pick<DrillResult, 'after' | 'leaseMoveSeconds' | 'nodesNotReady'>;
}

/**
 * Powers off the master that holds a lease, sees the lease move, and brings the master back (seed, "master故障").
 * Nothing starts unless the others keep their quorum without it, and the run does not end before all is as it was.
 */
export async function failoverDrill(continued: Continued<DrillInput, DagStep, Facts>): Promise<DrillResult> {
  const run = new Run<DrillInput, DagStep, Facts>('failover-drill', continued, {
    isBack: false,
    victim: '',
    poweredOffAt: '',
  });
  const { input, facts } = run;
  setHandler(hostBackSignal, (message) => {
    run.heard('host-back', message, (host) => {
      if (host !== facts.victim || facts.poweredOffAt === '') return `no host ${host} was powered off by this run`;
      facts.isBack = true;
      return undefined;
    });
  });

  const perform = async (step: DagStep): Promise<StepOutcome> => {
    const options = { summary: step.title };
    const { victim } = facts;
    switch (step.id) {
      case 'healthy':
        return brief.checkControlPlane.executeWithOptions(options, [input]);
      case 'victim': {
        const found = await brief.findVictim.executeWithOptions(options, [input, input.lease]);
        facts.victim = found.victim;
        facts.before = found.holders;
        return found;
      }
      case 'power-off': {
        // Workflow time: it stays the same however often the activity is tried.
        facts.poweredOffAt = new Date().toISOString();
        return brief.powerOff.executeWithOptions({ summary: `Power ${victim} off` }, [input, victim]);
      }
      case 'lease-moves': {
        const { attempts, ...seen } = await long.watchLeasesMove.executeWithOptions(options, [
          input,
          victim,
          known(facts.before),
          facts.poweredOffAt,
        ]);
        facts.watched = seen;
        return { attempts, changed: 0, note: `moved after ${seen.leaseMoveSeconds.toFixed(1)} s` };
      }
      case 'reach':
        return long.checkReach.executeWithOptions(options, [input, victim]);
      case 'power-on': {
        const on = await brief.powerOn.executeWithOptions({ summary: `Power ${victim} on` }, [input, victim]);
        if (!on.byCommand) {
          run.waitFor(
            `switch ${victim} on, then say so: start-workflow host-back ${victim} --cluster ${input.cluster} --reason ...`,
          );
          await run.person(() => facts.isBack);
          run.waitFor(undefined);
        }
        return on;
      }
      default:
        return patient.awaitRecovery.executeWithOptions({ summary: `See ${victim} back and all as before` }, [
          input,
          victim,
        ]);
    }
  };

  await run.perform(() => Promise.resolve(drillSteps()), perform);
  return { victim: facts.victim, before: known(facts.before), ...known(facts.watched), steps: run.steps() };
}

function drillSteps(): DagStep[] {
  const titles: [string, string][] = [
    ['healthy', 'See every master, etcd member and node healthy'],
    ['victim', 'Find who holds the lease'],
    ['power-off', 'Power the holder off'],
    ['lease-moves', 'See the leases move to another master'],
    ['reach', 'See pods, Services and a webhook through the other API servers'],
    ['power-on', 'Power the host on again'],
    ['recovered', 'See the host back and all as before'],
  ];
  return titles.map(([id, title], index) => ({
    id,
    title,
    needs: titles.slice(Math.max(0, index - 1), index).map(([previous]) => previous),
  }));
}

/** A value that an earlier step has set; a person who skipped that step cannot have this one. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw ApplicationFailure.nonRetryable('a step that this one needs was skipped', FATAL);
  return value;
}
