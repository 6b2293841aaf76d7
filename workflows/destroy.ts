import type { HostInspection } from '../cluster/preflight/refusals.js';
import type { Step } from '../cluster/steps.js';
import { brief, long } from './activities.js';
import type { StepOutcome, StepRecord } from './dag.js';
import type { DestroyInput } from './messages.js';
import { Run, type Continued } from './run.js';
import { performCommon } from './steps.js';

export interface DestroyResult {
  readonly steps: readonly StepRecord[];
  /** Number of things undone; 0 for a run that found nothing to undo. */
  readonly changed: number;
  /** What was done on each host, in the order in which it was done. */
  readonly hosts: readonly RemovedHost[];
}

export interface RemovedHost {
  readonly host: string;
  readonly changed: number;
  /** Where data was put aside, on the host. */
  readonly kept: readonly string[];
}

/** What a removal remembers besides its steps. */
interface Facts {
  /** When it started: one name for what is put aside, however often a host is tried. */
  readonly stamp: string;
  readonly inspections: HostInspection[];
  readonly hosts: RemovedHost[];
}

/** Brings every host of a spec back to what it was before its first deployment. */
export async function destroy(continued: Continued<DestroyInput, Step, Facts>): Promise<DestroyResult> {
  const run = new Run<DestroyInput, Step, Facts>('destroy', continued, {
    stamp: new Date().toISOString().replace(/[-:]|\.\d+/g, ''),
    inspections: [],
    hosts: [],
  });
  const { input, facts } = run;

  const perform = async (step: Step): Promise<StepOutcome> => {
    const { action } = step;
    const options = { summary: step.title };
    switch (action.kind) {
      case 'preflight': {
        const inspection = await brief.inspectForRemoval.executeWithOptions(options, [input, action.host]);
        facts.inspections.push(inspection);
        return { attempts: inspection.attempts, changed: 0, note: inspection.notes.join('; ') };
      }
      case 'remove': {
        const choice = { deleteData: input.deleteData, stamp: facts.stamp };
        const removed = await long.removeFromHost.executeWithOptions(options, [input, action.host, choice]);
        facts.hosts.push({ host: action.host, changed: removed.changed, kept: removed.kept });
        return removed;
      }
      case 'remove-kubeconfig':
        return brief.removeKubeconfig.executeWithOptions(options, [input]);
      default:
        return performCommon(step, input, facts.inspections);
    }
  };

  await run.perform(() => brief.planDestruction(input), perform);
  const steps = run.steps();
  return { steps, changed: steps.reduce((sum, step) => sum + step.changed, 0), hosts: facts.hosts };
}
