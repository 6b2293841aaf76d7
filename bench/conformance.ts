import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Result, resultSchema } from '../lab/conformance/result.js';
import { writeFormatted } from './write-formatted.js';

/**
 * `node dist/bench/conformance.js RESULT`: adds the result of a run of the conformance tests to bench/conformance.json
 * and writes bench/conformance.md from all of them.
 */

const RESULTS = 'bench/conformance.json';
const PAGE = 'bench/conformance.md';

/**
 * The results with a new one, which takes the place of the one of the same version and kind; newest version first. A run
 * of tests that somebody chose says nothing about the cluster, and is left out.
 */
export function withResult(results: readonly Result[], result: Result): Result[] {
  if (result.selection.kind === 'focus') return [...results];
  const others = results.filter(
    ({ kubernetes, selection }) => kubernetes !== result.kubernetes || selection.kind !== result.selection.kind,
  );
  const order = ({ kubernetes, selection }: Result): string => `${kubernetes} ${selection.kind === 'all' ? 'z' : 'a'}`;
  return [...others, result].sort((a, b) => order(b).localeCompare(order(a), 'en', { numeric: true }));
}

/** The page in Markdown. */
export function page(results: readonly Result[]): string {
  const exceptions = results.filter(({ failed, notRun }) => failed.length + notRun.length > 0);
  return [
    "# Kubernetes' own conformance tests",
    '',
    'The newest runs of `script/conformance` on the lab ([how, and with which images](../docs/conformance.md)), all tests',
    'of a version or a sample that the seed draws again. To repeat one:',
    '',
    '```',
    'script/conformance --kubernetes VERSION --all',
    'script/conformance --kubernetes VERSION --sample N --seed SEED',
    '```',
    '',
    '| version | date | tests | seed | passed | failed | not run | minutes | at a time |',
    '| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
    ...results.map(({ kubernetes, date, selected, of, selection, passed, failed, notRun, seconds, procs }) =>
      [
        '',
        kubernetes,
        date,
        `${selected} of ${of}`,
        selection.kind === 'sample' ? selection.seed : 'all of them',
        passed,
        failed.length,
        notRun.length,
        (seconds / 60).toFixed(1),
        procs,
        '',
      ].join(' | '),
    ),
    ...exceptions.flatMap((result) => [
      '',
      `## ${result.kubernetes}, ${result.selection.kind === 'all' ? 'all tests' : 'the sample'}: what did not pass`,
      '',
      ...result.failed.map(({ name, reason }) => `- failed: \`${name}\`: ${reason}`),
      ...result.notRun.map(({ name, reason }) => `- not run: \`${name}\`: ${reason}`),
    ]),
    '',
  ].join('\n');
}

if (process.argv[1] === import.meta.filename) {
  const file = process.argv[2];
  if (file === undefined) throw new RangeError('usage: node dist/bench/conformance.js RESULT');
  const result = resultSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const text = await readFile(RESULTS, 'utf8').catch(() => '[]');
  const results = withResult(z.array(resultSchema).parse(JSON.parse(text)), result);
  await writeFormatted(RESULTS, JSON.stringify(results));
  await writeFormatted(PAGE, page(results));
}
