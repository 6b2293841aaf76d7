import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { UserError } from './errors.js';

/**
 * Makes sure that a person means this cluster: by its name on the command line, or typed on a terminal.
 *
 * @throws UserError without the right name; nothing has been touched by then
 */
export async function confirmName(cluster: string, given: string | undefined): Promise<void> {
  const name = given ?? (await askForName(cluster));
  if (name !== cluster) {
    throw new UserError(`the file describes cluster ${cluster}, and "${name}" was confirmed; nothing was touched`);
  }
}

async function askForName(cluster: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new UserError(`this removes cluster ${cluster} from its hosts; without a terminal, add --confirm ${cluster}`);
  }
  return askAtTerminal(`This removes cluster ${cluster} from its hosts. Type its name to go on: `);
}

/** What somebody types at the terminal; empty for whoever closes it. */
export async function askAtTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D is an answer, too: none. Node.js tells of it in one way or the other, by its version.
  const closed = once(terminal, 'close').then(() => '');
  try {
    return (await Promise.race([terminal.question(question).catch(() => ''), closed])).trim();
  } finally {
    terminal.close();
  }
}
