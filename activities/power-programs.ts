import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { parseYaml, YamlError } from '../cluster/yaml.js';
import { PreconditionError } from './activity.js';
import { isErrno } from './state-store/durable-files.js';

/** Beginnings of commands, each a list of words: the program by its whole path, and whatever must come behind it. */
const allowedSchema = z.array(
  z
    .array(z.string())
    .min(1)
    .refine(([program = '']) => isAbsolute(program)),
);

/**
 * Makes sure that the worker's owner allows a command of a cluster file. Whoever writes a cluster file is not thereby
 * somebody who may run programs as the worker: what may be run is listed in the worker's own state store, which is empty
 * by default.
 *
 * @param file - YAML, a list of beginnings of commands; it need not exist
 * @throws PreconditionError if no beginning in the file is the command's
 */
export async function requireAllowed(file: string, host: string, command: readonly string[]): Promise<void> {
  const allowed = await readAllowed(file);
  if (allowed.some((beginning) => beginning.every((word, index) => command[index] === word))) return;
  throw new PreconditionError(
    `power.on of ${host} runs ${command[0] ?? ''}, and its beginning is none of the ${allowed.length} commands that this worker may run: whoever owns the worker adds the beginning of it, with the program's whole path, to ${file}, as in - [/usr/bin/ipmitool, -I, lanplus]; or take power.on out of the cluster file`,
  );
}

async function readAllowed(file: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '[]';
    throw error;
  });
  try {
    return allowedSchema.parse(parseYaml(text).value);
  } catch (error) {
    const why = error instanceof YamlError ? error.message : 'not a list of lists of words, the first an absolute path';
    throw new PreconditionError(
      `${file} cannot be used: ${why}; write lines such as - [/usr/bin/ipmitool, -I, lanplus]`,
    );
  }
}
