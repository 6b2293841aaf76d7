import type { RotationStep } from '../cluster/operations/rotate-encryption-key.js';
import type { SpecReference } from '../cluster/spec.js';
import { brief, long } from './activities.js';
import { applyComponent } from './components.js';
import type { Continued } from './engine/continuation.js';
import { Run } from './engine/run.js';

export interface RotationResult {
  readonly changed: number;
}

/** Gives the Secrets of a running cluster a new key, without a moment in which one of them cannot be read. */
export async function rotateEncryptionKey(
  continued: Continued<SpecReference, RotationStep, object>,
): Promise<RotationResult> {
  const run = new Run<SpecReference, RotationStep>('rotate-encryption-key', continued, {});
  const { input } = run;
  await run.perform(async () => (await brief.planRotation(input)).steps, {
    key: ({ title, name }) => brief.advanceEncryptionKey.executeWithOptions({ summary: title }, [input, name]),
    'api-server': ({ id, title, host }) =>
      applyComponent({ id, title, host, name: 'kube-apiserver' }, input, run.inTurn),
    rewrite: ({ title }) => long.rewriteSecrets.executeWithOptions({ summary: title }, [input]),
  });
  return { changed: run.changed() };
}
