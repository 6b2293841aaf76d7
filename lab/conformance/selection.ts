import { createHash } from 'node:crypto';
import { LabError } from '../errors.js';
import type { Exception } from './exceptions.js';

/** Which of the conformance tests a run takes. */
export type Selection =
  | { readonly kind: 'all' }
  /** `size` of them, drawn by the seed; of what matches one of `always`, at least one. */
  | { readonly kind: 'sample'; readonly size: number; readonly seed: string; readonly always: readonly RegExp[] }
  | { readonly kind: 'focus'; readonly pattern: RegExp };

/** What a run takes, and what it leaves out although it was selected. */
export interface Selected {
  readonly specs: readonly string[];
  readonly excepted: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * @param all names of all conformance tests
 * @param without pattern of names that are not to be selected at all
 * @throws LabError if nothing is selected, or a pattern of `always` matches nothing
 */
export function select(
  all: readonly string[],
  selection: Selection,
  exceptions: readonly Exception[],
  without?: RegExp,
): Selected {
  const candidates = without === undefined ? all : all.filter((name) => !without.test(name));
  const chosen = choose(candidates, selection);
  if (chosen.length === 0) throw new LabError(`none of ${candidates.length} conformance tests is selected`);
  const reasonOf = (name: string): string | undefined => exceptions.find(({ spec }) => spec === name)?.reason;
  return {
    specs: chosen.filter((name) => reasonOf(name) === undefined),
    excepted: chosen.flatMap((name) => {
      const reason = reasonOf(name);
      return reason === undefined ? [] : [{ name, reason }];
    }),
  };
}

function choose(candidates: readonly string[], selection: Selection): string[] {
  switch (selection.kind) {
    case 'all':
      return [...candidates];
    case 'focus':
      return candidates.filter((name) => selection.pattern.test(name));
    case 'sample':
      return drawSample(candidates, selection);
  }
}

function drawSample(
  candidates: readonly string[],
  { size, seed, always }: Extract<Selection, { kind: 'sample' }>,
): string[] {
  const order = inOrderOf(candidates, seed);
  const sample = new Set<string>();
  for (const pattern of always) {
    const first = order.find((name) => pattern.test(name));
    if (first === undefined)
      throw new LabError(`no conformance test matches ${String(pattern)}, of which one is to be drawn`);
    sample.add(first);
  }
  if (sample.size > size) {
    throw new LabError(`a sample of ${size} has no room for the ${sample.size} tests that are always drawn`);
  }
  for (const name of order) {
    if (sample.size >= size) break;
    sample.add(name);
  }
  return [...sample].sort();
}

/** The names in an order that the seed alone decides: what is drawn does not change with the names around it. */
function inOrderOf(names: readonly string[], seed: string): string[] {
  const key = (name: string): string =>
    createHash('sha256')
      .update(JSON.stringify([seed, name]))
      .digest('hex');
  return names
    .map((name) => ({ name, key: key(name) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ name }) => name);
}
