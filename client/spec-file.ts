import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { isNode, type Document, type LineCounter } from 'yaml';
import type { ClusterSpec } from '../cluster/spec.js';
import type { SpecProblem } from '../cluster/spec/problem.js';
import { validateSpec } from '../cluster/spec/validate.js';
import { parseYaml, YamlError, type ParsedYaml } from '../cluster/yaml.js';
import { UserError } from './errors.js';

/**
 * Reads and validates a cluster file. Relative paths in it are relative to the file, and leave here absolute.
 *
 * @throws UserError with every problem: where (path and line), the value, what is allowed, the fix
 */
export async function readSpec(path: string): Promise<ClusterSpec> {
  const { value, document, lines } = parse(await readText(path), path);
  const result = validateSpec(value);
  if ('problems' in result) {
    const texts = result.problems.map((problem) => describe(problem, path, document, lines));
    throw new UserError(`${path} cannot be used (nothing was touched):\n${texts.join('\n')}`);
  }
  return withAbsolutePaths(result.spec, dirname(resolve(path)));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new UserError(`cannot read ${path} (${code}); name a cluster file with -f, such as examples/today.yaml`);
  }
}

function parse(text: string, path: string): ParsedYaml {
  try {
    return parseYaml(text);
  } catch (error) {
    throw error instanceof YamlError ? new UserError(`${path} cannot be used: ${error.message}`) : error;
  }
}

/** A value as its line has it; what is more than a line is named by its kind. */
function shownValue({ value, path }: SpecProblem): string {
  if (value === undefined) return 'missing';
  if (path.length === 0 && value !== null) return 'no section';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a section';
  return JSON.stringify(value).slice(0, 200);
}

function describe(problem: SpecProblem, path: string, document: Document, lines: LineCounter): string {
  const where = problem.path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
  const line = lineOf(problem.path, document, lines);
  return [
    `  ${path}${line === undefined ? '' : `:${line}`}: ${where || 'the file'}`,
    `    is:      ${shownValue(problem)}`,
    `    allowed: ${problem.allowed}`,
    `    fix:     ${problem.fix}`,
  ].join('\n');
}

/** Line of the nearest node that exists on the way to the path. */
function lineOf(path: readonly (string | number)[], document: Document, lines: LineCounter): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}

function withAbsolutePaths(spec: ClusterSpec, base: string): ClusterSpec {
  const absolute = (path: string): string =>
    isAbsolute(path) || path.startsWith('~/') || /^https?:\/\//.test(path) ? path : resolve(base, path);
  const ssh = <T extends { identityFile?: string | undefined; knownHosts?: string | undefined }>(settings: T): T => ({
    ...settings,
    ...(settings.identityFile === undefined ? {} : { identityFile: absolute(settings.identityFile) }),
    ...(settings.knownHosts === undefined ? {} : { knownHosts: absolute(settings.knownHosts) }),
  });
  const { mirror, lock } = spec.artifacts;
  return {
    ...spec,
    ssh: ssh(spec.ssh),
    hosts: spec.hosts.map((host) => (host.ssh === undefined ? host : { ...host, ssh: ssh(host.ssh) })),
    artifacts: {
      ...(mirror === undefined ? {} : { mirror: absolute(mirror) }),
      ...(lock === undefined ? {} : { lock: absolute(lock) }),
    },
  };
}
