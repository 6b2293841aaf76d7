import { join } from 'node:path';
import type { StaticProgram } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';

/** Output: the program. */
export function staticProgram(name: string, source: StaticProgram, from: Step): Step {
  const defines = Object.entries(source.defines).map(([key, value]) => `-D${key}=${value}`);
  return {
    name,
    recipe: source,
    code: [import.meta.filename],
    inputs: { from },
    run: async ({ output, inputs }) => {
      const file = join(inputs['from'] ?? '', source.file);
      await run('gcc', ['-Os', '-Wall', '-static', '-s', ...defines, '-o', join(output, source.output), file]);
    },
  };
}
