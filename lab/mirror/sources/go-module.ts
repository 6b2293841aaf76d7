import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../../errors.js';
import { copyModule, goCode, goEnvironment, type GoToolchain, pinnedGo, requireGoFor } from '../go.js';
import type { GoModule } from '../plan.js';
import { run } from '../run.js';
import type { Step } from '../step.js';

/**
 * Output: the module's programs and tests, stripped and linked statically, and what the plan copies beside them.
 *
 * @param libraries the source that `cgo` names, for a program with parts in C
 */
export async function goModule(name: string, source: GoModule, goCache: string, libraries?: Step): Promise<Step> {
  const go = await pinnedGo(source.go);
  const flags = buildFlags(source);
  return {
    name,
    recipe: { ...source, flags },
    code: [import.meta.filename, goCode],
    inputs: libraries === undefined ? {} : { libraries },
    run: async ({ output, scratch, inputs, detail }) => {
      const tree = join(scratch, 'module');
      const environment = { ...goEnvironment(go, goCache), GO111MODULE: 'on', ...cgoEnvironment(inputs['libraries']) };
      const options = { cwd: tree, env: environment };
      detail('fetching');
      await copyModule(go, goCache, source.module, source.version, tree);
      await requireGoFor(go, tree, `${source.module} ${source.version}`);
      const changes = await edits(go, tree, environment, source);
      if (changes.length > 0) await run(go.command, ['mod', 'edit', ...changes], options);
      if (source.dropImports !== undefined) await dropImports(tree, source.dropImports);
      let compiled = 0;
      const onLine = (line: string): void => {
        detail(line.startsWith('go: ') ? line : `${++compiled} packages compiled, now ${line}`);
      };
      for (const [program, path] of Object.entries(source.programs)) {
        const args = ['build', '-v', ...flags, '-o', join(output, program), path];
        await run(go.command, args, { ...options, onLine });
      }
      for (const [program, path] of Object.entries(source.tests ?? {})) {
        // `go test -c` says nothing while it compiles: what the tests import is compiled by `go build` first.
        const list = ['list', '-mod=mod', '-f', '{{join .TestImports " "}} {{join .XTestImports " "}}', path];
        const imported = (await run(go.command, list, options)).split(/\s+/).filter((name) => name.includes('.'));
        await run(go.command, ['build', '-v', ...flags, ...imported], { ...options, onLine });
        detail('linking');
        await run(go.command, ['test', '-c', '-vet=off', ...flags, '-o', join(output, program), path], options);
      }
      for (const path of source.copy ?? []) await cp(join(tree, path), join(output, path), { recursive: true });
    },
  };
}

function buildFlags({ variables = {}, cgo }: GoModule): string[] {
  const settings = Object.entries(variables).map(([key, value]) => `-X ${key}=${value}`);
  const linker = ['-s', '-w', ...settings, ...(cgo === undefined ? [] : ['-extldflags', '-static'])];
  return [
    ...['-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', linker.join(' ')],
    ...(cgo === undefined ? [] : ['-tags', cgo.tags.join(',')]),
  ];
}

/** C libraries are found in the tree of the source that has them, not in what the machine has installed. */
function cgoEnvironment(libraries: string | undefined): Record<string, string> {
  if (libraries === undefined) return {};
  return {
    CGO_ENABLED: '1',
    PKG_CONFIG_SYSROOT_DIR: libraries,
    PKG_CONFIG_LIBDIR: join(libraries, 'usr/lib/x86_64-linux-gnu/pkgconfig'),
  };
}

async function edits(go: GoToolchain, tree: string, env: Record<string, string>, source: GoModule): Promise<string[]> {
  const { siblings, edit = [] } = source;
  if (siblings === undefined) return [...edit];
  const json = await run(go.command, ['mod', 'edit', '-json'], { cwd: tree, env });
  return [...siblingEdits(JSON.parse(json) as GoMod, siblings), ...edit];
}

/** The part of `go mod edit -json` that matters here. */
export interface GoMod {
  readonly Require: readonly { readonly Path: string }[] | null;
  readonly Replace:
    readonly { readonly Old: { readonly Path: string }; readonly New: { readonly Path: string } }[] | null;
}

/** Arguments of `go mod edit` that take what go.mod replaces by directories of the repository from the registry. */
export function siblingEdits({ Require, Replace }: GoMod, version: string): string[] {
  const required = new Set(Require?.map(({ Path }) => Path));
  return (Replace ?? []).flatMap(({ Old: { Path: module }, New: { Path: directory } }) => {
    if (!/^\.\.?\//.test(directory)) return [];
    return required.has(module) ? [`-replace=${module}=${module}@${version}`] : [`-dropreplace=${module}`];
  });
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
