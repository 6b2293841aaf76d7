import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs the reference implementation; rejects with its standard error if it refuses. */
export async function openssl(...args: string[]): Promise<string> {
  const { stdout } = await run('openssl', args, { timeout: 30_000 });
  return stdout;
}
