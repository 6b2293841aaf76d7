import { rename, writeFile } from 'node:fs/promises';

/** Writes a result as JSON: to a file, in one move, or to standard output for `--json` alone. */
export async function writeJson(target: string | true | undefined, value: unknown): Promise<void> {
  if (target === undefined) return;
  const text = `${JSON.stringify(value, undefined, 2)}\n`;
  if (target === true) {
    process.stdout.write(text);
    return;
  }
  const temporary = `${target}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, target);
}
