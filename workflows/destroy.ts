import type { HostInspection } from '../cluster/preflight/refusals.js';
import type { DestroyStep } from '../cluster/operations/destroy.js';
import { brief, long } from './activities.js';
import type { Continued } from './engine/continuation.js';
import { Run } from './engine/run.js';
import type { DestroyInput } from './messages.js';
import { admit, inspected } from './preparation.js';

export interface DestroyResult {
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
export async function destroy(continued: Continued<DestroyInput, DestroyStep, Facts>): Promise<DestroyResult> {
  const run = new Run<DestroyInput, DestroyStep, Facts>('destroy', continued, {
    stamp: new Date().toISOString().replace(/[-:]|\.\d+/g, ''),
    inspections: [],
    hosts: [],
  });
  const { input, facts } = run;

  await run.perform(async () => (await brief.planDestruction(input)).steps, {
    preflight: async ({ title, host }) =>
      inspected(facts.inspections, await brief.inspectForRemoval.executeWithOptions({ summary: title }, [input, host])),
    admit: () => Promise.resolve(admit(facts.inspections)),
    remove: async ({ title, host }) => {
      const choice = { deleteData: input.deleteData, stamp: facts.stamp };
      const removed = await long.removeFromHost.executeWithOptions({ summary: title }, [input, host, choice]);
      facts.hosts.push({ host, changed: removed.changed, kept: removed.kept });
      return removed;
    },
    'remove-kubeconfig': ({ title }) => brief.removeKubeconfig.executeWithOptions({ summary: title }, [input]),
  });
  return { changed: run.changed(), hosts: facts.hosts };
}
