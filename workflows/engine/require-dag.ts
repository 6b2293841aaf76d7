import { ApplicationFailure } from '@temporalio/workflow';
import type { AnyStep } from '../../cluster/operations/step.js';

/** Refuses what could never end: an id twice, a need that does not exist, steps that wait for each other. */
export function requireDag(steps: readonly Pick<AnyStep, 'id' | 'needs'>[]): void {
  const refuse = (problem: string): never => {
    throw ApplicationFailure.nonRetryable(problem, 'InvalidDag');
  };
  const ids = new Set<string>();
  for (const { id } of steps) {
    if (ids.has(id)) refuse(`there are two steps ${id}`);
    ids.add(id);
  }
  for (const { id, needs } of steps) {
    const missing = needs.find((need) => !ids.has(need));
    if (missing !== undefined) refuse(`step ${id} needs ${missing}, which does not exist`);
  }
  let waiting = steps;
  for (;;) {
    const open = new Set(waiting.map(({ id }) => id));
    const next = waiting.filter(({ needs }) => needs.some((need) => open.has(need)));
    if (next.length === 0) return;
    if (next.length === waiting.length) refuse(`steps wait for each other: ${[...open].join(', ')}`);
    waiting = next;
  }
}
