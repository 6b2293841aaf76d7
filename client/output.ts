import { rename, writeFile } from 'node:fs/promises';
import { shown, shownJson } from '../cluster/shown.js';

/** Everything that a client says to people leaves here; what it says may come from hosts and strangers. */

/** Prints lines of a result. */
export function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${shown(line)}\n`);
}

/** Tells how it goes. */
export function tell(...lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${shown(line)}\n`);
}

/** Where commander prints usage and what it did not understand. */
export const commanderOutput = {
  writeOut: (text: string): void => void process.stdout.write(shown(text)),
  writeErr: (text: string): void => void process.stderr.write(shown(text)),
};

/** Writes a result as JSON: to a file, in one move, or to standard output for `--json` alone. */
export async function writeJson(target: string | true | undefined, value: unknown): Promise<void> {
  if (target === undefined) return;
  const text = `${shownJson(value)}\n`;
  if (target === true) {
    process.stdout.write(text);
    return;
  }
  const temporary = `${target}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, target);
}
