import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { temporaryDirectory } from './temporary-directory.js';

/** Go's standard library, as Kubernetes uses it; a missing compiler is an error. */
export async function goProgram(t: TestContext, name: 'reader' | 'signer'): Promise<string> {
  const program = join(await temporaryDirectory(t), name);
  await execa('go', ['build', '-o', program, `./${name}`], {
    cwd: fileURLToPath(new URL('../../../test/support/go', import.meta.url)),
    env: { GOTOOLCHAIN: 'local' },
  });
  return program;
}

/** Gives a program values, each as JSON on a line, and returns its answers. */
export async function answersOf<Answer>(
  program: string,
  args: readonly string[],
  values: readonly unknown[],
): Promise<Answer[]> {
  const { stdout } = await execa(program, [...args], {
    input: values.map((value) => JSON.stringify(value)).join('\n'),
    maxBuffer: 1e9,
  });
  return stdout.split('\n').map((line) => JSON.parse(line) as Answer);
}
