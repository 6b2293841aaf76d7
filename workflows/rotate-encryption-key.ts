import type { RotationStep } from '../cluster/rotation.js';
import type { SpecReference } from '../cluster/spec.js';
import { brief, long } from './activities.js';
import type { StepOutcome, StepRecord } from './dag.js';
import { Run, type Continued } from './run.js';

export interface RotationResult {
  readonly steps: readonly StepRecord[];
}

/** Gives the Secrets of a running cluster a new key, without a moment in which one of them cannot be read. */
export async function rotateEncryptionKey(
  continued: Continued<SpecReference, RotationStep, object>,
): Promise<RotationResult> {
  const run = new Run<SpecReference, RotationStep>('rotate-encryption-key', continued, {});
  const { input } = run;
  const perform = ({ title, action }: RotationStep): Promise<StepOutcome> => {
    const options = { summary: title };
    switch (action.kind) {
      case 'key':
        return brief.advanceEncryptionKey.executeWithOptions(options, [input, action.phase]);
      case 'api-server':
        return long.rollApiServer.executeWithOptions(options, [input, action.host]);
      case 'rewrite':
        return long.rewriteSecrets.executeWithOptions(options, [input]);
    }
  };
  await run.perform(() => brief.planRotation(input), perform);
  return { steps: run.steps() };
}
