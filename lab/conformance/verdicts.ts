import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** What came of one test. */
export type Verdict =
  | { readonly state: 'passed' }
  /** `message` is the first line of what the test said. */
  | { readonly state: 'failed'; readonly message: string }
  /** It began, and said itself why it does not go on. */
  | { readonly state: 'skipped'; readonly message: string };

const report = z.array(
  z.object({
    SpecReports: z
      .array(
        z.object({
          ContainerHierarchyTexts: z.array(z.string()).nullish(),
          LeafNodeType: z.string(),
          LeafNodeText: z.string(),
          State: z.string(),
          Failure: z.object({ Message: z.string().optional() }).optional(),
        }),
      )
      .nullable(),
  }),
);

/**
 * The verdicts in ginkgo's JSON report (https://onsi.github.io/ginkgo/#generating-machine-readable-reports), by the full
 * name of the test. A test that was cut off has none.
 */
export function readVerdicts(json: string): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (const spec of report.parse(JSON.parse(json)).flatMap(({ SpecReports }) => SpecReports ?? [])) {
    if (spec.LeafNodeType !== 'It') continue;
    const name = [...(spec.ContainerHierarchyTexts ?? []), spec.LeafNodeText].join(' ');
    const verdict = verdictOf(spec.State, spec.Failure?.Message ?? '');
    if (verdict !== undefined) verdicts.set(name, verdict);
  }
  return verdicts;
}

/** As {@link readVerdicts}, from a file; without the file, there are none. */
export async function verdictsIn(file: string): Promise<Map<string, Verdict>> {
  const json = await readFile(file, 'utf8').catch(() => '[]');
  return readVerdicts(json);
}

function verdictOf(state: string, said: string): Verdict | undefined {
  const message = said.trim().split('\n')[0] ?? '';
  switch (state) {
    case 'passed':
      return { state };
    case 'timedout':
      // The time of the whole run was over, not that of the test.
      if (message.startsWith('A suite timeout occurred')) return undefined;
      return { state: 'failed', message };
    case 'failed':
    case 'panicked':
      return { state: 'failed', message: message === '' ? state : message };
    case 'skipped':
      // Those that were not selected are skipped too, without a word.
      return message === '' ? undefined : { state, message };
    default:
      return undefined;
  }
}
