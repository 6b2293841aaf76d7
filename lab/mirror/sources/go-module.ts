import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../../errors.js';
import { copyModule, goCode, goEnvironment, type GoToolchain, requireGoFor } from '../go.js';
import type { GoModule } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';

/** Output: the module's programs, stripped and linked statically. */
export function goModule(name: string, source: GoModule, go: GoToolchain, goCache: string): Step {
  const variables = Object.entries(source.variables ?? {}).map(([key, value]) => `-X ${key}=${value}`);
  const flags = ['-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', ['-s', '-w', ...variables].join(' ')];
  return {
    name,
    recipe: { ...source, flags, go: go.version },
    code: [import.meta.filename, goCode],
    inputs: {},
    run: async ({ output, scratch, detail }) => {
      const tree = join(scratch, 'module');
      const options = { cwd: tree, env: { ...goEnvironment(goCache), GO111MODULE: 'on' } };
      detail('fetching');
      await copyModule(go, goCache, source.module, source.version, tree);
      await requireGoFor(go, tree, `${source.module} ${source.version}`);
      if (source.edit !== undefined) await run(go.command, ['mod', 'edit', ...source.edit], options);
      if (source.dropImports !== undefined) await dropImports(tree, source.dropImports);
      let compiled = 0;
      const onLine = (line: string): void => {
        detail(line.startsWith('go: ') ? line : `${++compiled} packages compiled, now ${line}`);
      };
      for (const [program, path] of Object.entries(source.programs)) {
        const args = ['build', '-v', ...flags, '-o', join(output, program), path];
        await run(go.command, args, { ...options, onLine });
      }
    },
  };
}

async function dropImports(tree: string, { file, packages }: NonNullable<GoModule['dropImports']>): Promise<void> {
  const path = join(tree, file);
  let text = await readFile(path, 'utf8');
  for (const imported of packages) {
    const line = `\t_ "${imported}"\n`;
    if (!text.includes(line)) throw new LabError(`${file} does not import ${imported}: take it out of the plan`);
    text = text.replace(line, '');
  }
  await writeFile(path, text);
}
