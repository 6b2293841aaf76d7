import { z } from 'zod';
import type { Selected, Selection } from './selection.js';
import type { Verdicts } from './run.js';

const reason = z.strictObject({ name: z.string(), reason: z.string() });

export const resultSchema = z.strictObject({
  /** What the API server says of itself, such as `v1.37.2`. */
  kubernetes: z.string(),
  /** Day on which it was run, e.g. `2026-11-28`. */
  date: z.iso.date(),
  selection: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('all') }),
    z.strictObject({ kind: z.literal('sample'), seed: z.string() }),
    z.strictObject({ kind: z.literal('focus'), pattern: z.string() }),
  ]),
  /** Conformance tests that the version has. */
  of: z.int(),
  /** Those that were selected: passed, failed and not run. */
  selected: z.int(),
  passed: z.int(),
  failed: z.array(reason),
  notRun: z.array(reason),
  /** Processes of tests side by side. */
  procs: z.int(),
  /** Wall time of the tests, without builds. */
  seconds: z.number().nonnegative(),
});

/** What came of a run. */
export type Result = z.infer<typeof resultSchema>;

/** What a run is about, and what it saw. */
export interface Seen extends Pick<Result, 'kubernetes' | 'date' | 'of' | 'procs' | 'seconds'> {
  readonly selection: Selection;
  readonly selected: Selected;
  readonly verdicts: Verdicts;
  /** Why a test without a verdict has none. */
  readonly cutOff: string;
}

/** Adds up a run. */
export function resultOf({ selection, selected, verdicts, cutOff, ...rest }: Seen): Result {
  const { specs, excepted } = selected;
  const messages = (state: 'failed' | 'skipped'): Result['failed'] =>
    specs.flatMap((name) => {
      const verdict = verdicts.get(name);
      return verdict?.state === state ? [{ name, reason: verdict.message }] : [];
    });
  return {
    ...rest,
    selection: described(selection),
    selected: specs.length + excepted.length,
    passed: specs.filter((name) => verdicts.get(name)?.state === 'passed').length,
    failed: messages('failed'),
    notRun: [
      ...excepted,
      ...messages('skipped'),
      ...specs.filter((name) => !verdicts.has(name)).map((name) => ({ name, reason: cutOff })),
    ],
  };
}

function described(selection: Selection): Result['selection'] {
  switch (selection.kind) {
    case 'all':
      return { kind: 'all' };
    case 'sample':
      return { kind: 'sample', seed: selection.seed };
    case 'focus':
      return { kind: 'focus', pattern: selection.pattern.source };
  }
}

/** Whether every selected test passed that is not an exception. */
export function isGood({ failed, notRun }: Result, exceptions: readonly { readonly spec: string }[]): boolean {
  return failed.length === 0 && notRun.every(({ name }) => exceptions.some(({ spec }) => spec === name));
}

/** A result in lines for people. */
export function resultLines(result: Result): string[] {
  const { kubernetes, selection, of, selected, passed, failed, notRun, procs, seconds } = result;
  const which =
    selection.kind === 'all'
      ? `all ${of}`
      : selection.kind === 'sample'
        ? `${selected} of ${of}, drawn by the seed ${selection.seed},`
        : `${selected} of ${of} that match ${selection.pattern}`;
  return [
    `conformance of ${kubernetes}: ${which} in ${(seconds / 60).toFixed(1)} minutes, ${procs} at a time`,
    `  passed   ${passed}`,
    `  failed   ${failed.length}`,
    ...failed.map(({ name, reason: why }) => `    ${name}: ${why}`),
    `  not run  ${notRun.length}`,
    ...notRun.map(({ name, reason: why }) => `    ${name}: ${why}`),
  ];
}
