import type { ComponentStep } from '../cluster/operations/preparation.js';
import type { SpecReference } from '../cluster/spec.js';
import { long } from './activities.js';
import type { StepOutcome } from './engine/dag.js';

/** Lets one step at a time act, of those that ask. */
type InTurn = <Result>(id: string, act: () => Promise<Result>) => Promise<Result>;

/**
 * Brings one component on one host to its desired state. At once, wherever nothing is disturbed by it: in a first
 * deployment everywhere. A member that serves is restarted in its turn, while the others are well.
 */
export async function applyComponent(
  { id, title, host, name }: Pick<ComponentStep, 'id' | 'title' | 'host' | 'name'>,
  reference: SpecReference,
  inTurn: InTurn,
): Promise<StepOutcome> {
  const apply = (turn: 'its turn' | 'any time'): ReturnType<typeof long.applyComponent> =>
    long.applyComponent.executeWithOptions({ summary: title }, [reference, host, name, turn]);
  const outcome = await apply('any time');
  return outcome.waits === true ? inTurn(id, () => apply('its turn')) : outcome;
}
