import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';

/** Ends the whole run, instead of holding the step that throws it. */
export const FATAL = 'Fatal';

/** Type of the failure of a run that somebody aborts. */
export const ABORTED = 'Aborted';

/** Thrown by a step that waits for a person, when the run pauses: it waits again in the run that follows. */
export class Interrupted extends Error {}

/** The sentence that a person needs out of Temporal's nested failures. */
export function reasonOf(error: unknown): string {
  let current = error;
  while (
    (current instanceof ActivityFailure || current instanceof ChildWorkflowFailure) &&
    current.cause !== undefined
  ) {
    current = current.cause;
  }
  return current instanceof Error ? current.message : String(current);
}

/** Whether a step ends its whole run. */
export function isFatal(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === FATAL;
}
