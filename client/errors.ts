import type { CommanderError } from 'commander';
import { tell } from './output.js';

/** Something the user can mend; shown as it is, without a stack, with exit code 2. */
export class UserError extends Error {}

/** Runs a command of a client and ends the process with its exit code: 0 done, 1 failed, 2 wrong use. */
export async function runCommand(command: () => Promise<unknown>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (error instanceof UserError) {
      tell(`error: ${error.message}`);
      process.exitCode = 2;
    } else {
      tell(`error: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
}

/** Ends the process when the command line was not understood (2), or asked for help or the version (0). */
export function exitOnWrongUse({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : 2);
}
