import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClientChannel } from 'ssh2';
import { lastWords, RemoteError, type RemoteErrorKind } from './errors.js';
import { OutputCollector } from './output-collector.js';
import { KILL_GRACE_SECONDS, killCommand, sessionLine, wrapCommand } from './remote-command.js';
import type { SshTarget } from './target.js';

export interface RunOptions {
  /** What the command does, as errors say it, e.g. `observe the host`. */
  readonly title: string;
  /** A POSIX shell command. It is visible in the host's process list: no secret in it. */
  readonly command: string;
  /** Input of the command; a stream is read only as fast as the host takes it. */
  readonly stdin?: string | Buffer | Readable;
  /** Longest time that the command may take; then it is killed. */
  readonly timeoutMs: number;
  /** Kills the command. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How much of the end of stdout and of stderr is kept, each.
   * @default 1 MiB
   */
  readonly maxOutputBytes?: number;
  readonly onStdoutLine?: (line: string) => void;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Whether stdout was longer than `maxOutputBytes`, so that its beginning is missing. */
  readonly truncated: boolean;
  readonly durationMs: number;
}

const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;

/** After a kill: the grace time of the command, and a little for the way. */
const CLOSE_TIMEOUT_MS = (KILL_GRACE_SECONDS + 5) * 1000;

/** The watchdog on the host gives the worker's own deadline precedence, as that one reports a better error. */
const HOST_DEADLINE_MARGIN_SECONDS = 15;

/**
 * Runs one command on a connected host, and resolves when it exited with code 0.
 *
 * @throws RemoteError `exit`, `timeout`, `cancelled`, or `connection-lost` when the session ended without an exit code.
 * An error of the `stdin` stream is thrown as it is, once the command is dead.
 */
export async function execute(client: Client, target: SshTarget, options: RunOptions): Promise<ExecResult> {
  const started = performance.now();
  const deadlineSeconds = Math.ceil(options.timeoutMs / 1000) + HOST_DEADLINE_MARGIN_SECONDS;
  const command = wrapCommand(options.command, deadlineSeconds, target.sudo === true);
  const execution = await open(client, target, options, command);
  const exitCode = await execution.ended();
  const { stdout, stderr, truncated } = execution;
  if (exitCode === 0) return { stdout, stderr, truncated, durationMs: performance.now() - started };
  throw execution.error('exit', `${options.title} failed: ${lastWords(stderr) ?? `exit code ${exitCode}`}`, exitCode);
}

/** sshd frees a session a moment after it ended; an open that it refuses meanwhile started nothing. */
const OPEN_ATTEMPTS = 20;
const OPEN_RETRY_MS = 100;

async function open(client: Client, target: SshTarget, options: RunOptions, command: string): Promise<Execution> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openOnce(client, target, options, command);
    } catch (error) {
      const refused = (error as { reason?: unknown }).reason !== undefined;
      if (refused && attempt < OPEN_ATTEMPTS) {
        await sleep(OPEN_RETRY_MS);
        continue;
      }
      const reason = `${options.title}: the host opened no session for the command: ${(error as Error).message}`;
      throw new RemoteError({ host: target.name, kind: 'connection-lost', reason });
    }
  }
}

/** @throws the error of ssh2; it has a `reason` when it is the host that refuses. */
function openOnce(client: Client, target: SshTarget, options: RunOptions, command: string): Promise<Execution> {
  return new Promise((resolve, reject) => {
    // Throws where there is no connection any more, which rejects as well.
    client.exec(command, (error, channel) => {
      if (error !== undefined) reject(error);
      // Listening must start here: the end of a short command can be in the same packet as the answer to its start.
      else resolve(new Execution(client, target, options, channel));
    });
  });
}

/** One running command: its streams, its deadline, and the ways in which it can end. */
class Execution {
  private readonly out: OutputCollector;
  private readonly err: OutputCollector;
  private exitCode: number | undefined;
  /** Why the command is being killed; it wins over whatever exit code the kill leads to. */
  private killedBecause: Error | undefined;
  private sessionKilled = false;
  private readonly outcome: Promise<number>;
  private resolve!: (exitCode: number) => void;
  private reject!: (error: Error) => void;
  private closeTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Client,
    private readonly target: SshTarget,
    private readonly options: RunOptions,
    private readonly channel: ClientChannel,
  ) {
    const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    this.out = new OutputCollector(limit, options.onStdoutLine);
    this.err = new OutputCollector(limit);
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.listen();
    this.feed();
  }

  get stdout(): string {
    return this.out.text;
  }

  get stderr(): string {
    return this.err.text.replace(sessionLine, '');
  }

  get truncated(): boolean {
    return this.out.truncated;
  }

  error(kind: RemoteErrorKind, reason: string, exitCode?: number): RemoteError {
    const output = [this.stdout, this.stderr].filter((text) => text !== '').join('\n');
    return new RemoteError({
      host: this.target.name,
      kind,
      reason,
      output,
      ...(exitCode !== undefined && { exitCode }),
    });
  }

  /** Resolves with the exit code, whatever it is. */
  async ended(): Promise<number> {
    const { title, timeoutMs, signal } = this.options;
    const cancel = (): void => {
      this.kill(this.error('cancelled', `${title} was cancelled`));
    };
    const deadline = setTimeout(() => {
      this.kill(this.error('timeout', `${title} did not end within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      if (signal?.aborted === true) cancel();
      return await this.outcome;
    } finally {
      clearTimeout(deadline);
      clearTimeout(this.closeTimer);
      signal?.removeEventListener('abort', cancel);
    }
  }

  private listen(): void {
    const { channel } = this;
    channel.on('data', (chunk: Buffer) => {
      this.out.add(chunk);
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      this.err.add(chunk);
      if (this.killedBecause !== undefined) this.killSession();
    });
    channel.on('exit', (code: number | null) => {
      this.exitCode = code ?? undefined;
    });
    channel.on('error', () => {
      // Followed by 'close', where the outcome is judged.
    });
    channel.on('close', () => {
      this.close();
    });
  }

  private feed(): void {
    const { stdin } = this.options;
    if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) {
      this.channel.end(stdin);
      return;
    }
    let sourceError: Error | undefined;
    stdin.once('error', (error) => (sourceError = error));
    pipeline(stdin, this.channel).catch(() => {
      // A command may well end without having read everything: only the source's own error says that input is missing.
      if (sourceError !== undefined) this.kill(sourceError);
    });
  }

  private close(): void {
    if (this.killedBecause !== undefined) this.reject(this.killedBecause);
    else if (this.exitCode !== undefined) this.resolve(this.exitCode);
    else {
      const reason = `${this.options.title}: the session ended without an exit code, so its outcome is unknown`;
      this.reject(this.error('connection-lost', reason));
    }
  }

  private kill(reason: Error): void {
    if (this.killedBecause !== undefined) return;
    this.killedBecause = reason;
    this.killSession();
    this.closeTimer = setTimeout(() => {
      this.channel.destroy();
      this.reject(reason);
    }, CLOSE_TIMEOUT_MS);
  }

  /** Kills over a second channel, because OpenSSH before 7.9, and any under sudo, does not deliver signals. */
  private killSession(): void {
    const session = sessionLine.exec(this.err.text)?.[1];
    if (session === undefined || this.sessionKilled) return;
    this.sessionKilled = true;
    try {
      this.client.exec(killCommand(Number(session), this.target.sudo === true), (error, channel) => {
        if (error !== undefined) return;
        channel.on('error', () => undefined).resume();
        channel.stderr.resume();
      });
    } catch {
      // Not connected any more: the watchdog on the host does it.
    }
  }
}
