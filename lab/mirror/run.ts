import { execa, ExecaError } from 'execa';
import { LabError } from '../errors.js';

/** Where a command runs, and with what environment beside the machine's. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

/**
 * A nice value counts only among processes of one session where the kernel groups sessions (autogroup): the command gets
 * a session of its own, and the session the same niceness. Kernels without autogroup have no such file.
 */
const politely = ['setsid', 'sh', '-c', '{ echo 19 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@"', 'sh'];

/**
 * Runs a command at the lowest priority, so that a build leaves the machine to whoever else works on it, and returns its
 * stdout.
 *
 * @throws LabError with the command and the end of what it wrote
 */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const settings = {
    stdin: 'ignore' as const,
    maxBuffer: 256 * 1024 * 1024,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', ...options.env },
  };
  try {
    // A builder that is killed takes its compilers with it: left alone, they would race with those of the next run.
    const command = execa('setpriv', ['--pdeathsig', 'KILL', ...politely, file, ...args], settings);
    if (options.onLine !== undefined) {
      for await (const line of command.iterable({ from: 'stderr' })) options.onLine(line);
    }
    return (await command).stdout;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    const said = [error.stdout, error.stderr].join('\n').trim().split('\n').slice(-20).join('\n');
    const command = [file, ...args].join(' ').slice(0, 200);
    throw new LabError(`"${command}" ended with ${error.exitCode ?? error.signal ?? 'an error'}:\n${said}`, {
      cause: error,
    });
  }
}
