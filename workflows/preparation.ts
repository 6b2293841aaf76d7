import { ApplicationFailure } from '@temporalio/workflow';
import type { PreparationStep } from '../cluster/operations/preparation.js';
import { refusals, type HostInspection } from '../cluster/preflight/refusals.js';
import type { SpecReference } from '../cluster/spec.js';
import { brief, long } from './activities.js';
import type { StepOutcome } from './engine/dag.js';
import { FATAL } from './engine/failures.js';
import type { Handlers } from './engine/handlers.js';

/**
 * The steps before a host is touched.
 *
 * @param inspections - collects what preflight found; `admit` decides by it
 */
export function preparationHandlers(
  reference: SpecReference,
  inspections: HostInspection[],
): Handlers<PreparationStep> {
  return {
    preflight: async ({ title, host }) =>
      inspected(inspections, await brief.inspectHost.executeWithOptions({ summary: title }, [reference, host])),
    admit: () => Promise.resolve(admit(inspections)),
    artifacts: ({ title }) => long.fetchArtifacts.executeWithOptions({ summary: title }, [reference]),
    certificates: ({ title }) => long.issueCertificates.executeWithOptions({ summary: title }, [reference]),
  };
}

/** Keeps what a look at a host found, for {@link admit}. */
export function inspected(
  inspections: HostInspection[],
  { attempts, ...inspection }: HostInspection & { readonly attempts: number },
): StepOutcome {
  inspections.push(inspection);
  return { attempts, changed: 0, note: inspection.notes.join('; ') };
}

/** Ends the run before anything is touched if one host is not fit. */
export function admit(inspections: readonly HostInspection[]): StepOutcome {
  const reasons = refusals(inspections);
  if (reasons.length > 0) {
    throw ApplicationFailure.nonRetryable(
      `nothing was changed, for ${reasons.length} reason(s):\n${reasons.join('\n')}`,
      FATAL,
    );
  }
  return { attempts: 1, changed: 0, note: 'every host is fit' };
}
