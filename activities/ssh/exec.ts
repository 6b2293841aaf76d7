import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { connect } from './connection.js';
import { lastWords, RemoteError, type RemoteErrorKind } from './errors.js';
import { KILL_GRACE_SECONDS, killCommand, wrapCommand } from './remote-command.js';
import { SessionOutput } from './session-output.js';
import { SessionRefused } from './session-queue.js';
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
 * Starts one command on a connected host. Its result resolves when it exited with code 0.
 *
 * @throws SessionRefused when the host opened no session; then, and only then, the command can be started again.
 * The result throws RemoteError `exit`, `timeout`, `cancelled`, or `connection-lost` when the session ended without an
 * exit code. An error of the `stdin` stream is thrown as it is, once the command is dead.
 */
export function start(client: Client, target: SshTarget, options: RunOptions): Promise<Execution> {
  const deadlineSeconds = Math.ceil(options.timeoutMs / 1000) + HOST_DEADLINE_MARGIN_SECONDS;
  const word = randomBytes(16).toString('hex');
  const command = wrapCommand(options.command, deadlineSeconds, target.sudo === true, word);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      // ssh2 gives a reason when it is the host that refuses.
      const refused = (error as { reason?: unknown }).reason !== undefined;
      const reason = `${options.title}: the host opened no session for the command: ${error.message}`;
      reject(
        refused
          ? new SessionRefused(error.message)
          : new RemoteError({ host: target.name, kind: 'connection-lost', reason }),
      );
    };
    try {
      client.exec(command, (error, channel) => {
        if (error !== undefined) fail(error);
        // Listening must start here: the end of a short command can be in the same packet as the answer to its start.
        else resolve(new Execution(client, target, options, channel, word));
      });
    } catch (error) {
      // There is no connection any more.
      fail(error as Error);
    }
  });
}

/** One running command: its streams, its deadline, and the ways in which it can end. */
export class Execution {
  private readonly started = performance.now();
  private readonly out: SessionOutput;
  private readonly err: SessionOutput;
  private exitCode: number | undefined;
  /** Why the command is being killed; it wins over whatever exit code the kill leads to. */
  private killedBecause: Error | undefined;
  /** Settles when what kills the command on the host has ended; undefined while nothing does. */
  private killing: Promise<void> | undefined;
  private readonly outcome: Promise<number>;
  private resolve!: (exitCode: number) => void;
  private reject!: (error: Error) => void;
  private closeTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Client,
    private readonly target: SshTarget,
    private readonly options: RunOptions,
    private readonly channel: ClientChannel,
    private readonly word: string,
  ) {
    const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    this.out = new SessionOutput(word, limit, options.onStdoutLine);
    this.err = new SessionOutput(word, limit);
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.listen();
    this.feed();
  }

  /** What the command printed, once it has exited with code 0; see {@link start} for the errors. */
  async result(): Promise<ExecResult> {
    const exitCode = await this.ended();
    if (exitCode !== 0 || this.session === undefined) throw this.error('exit', this.reason(exitCode), exitCode);
    const [{ text: stdout, truncated }, { text: stderr }] = [this.out, this.err];
    return { stdout, stderr, truncated, durationMs: performance.now() - this.started };
  }

  /** The command's session on the host; undefined while it has not begun. */
  private get session(): number | undefined {
    return this.err.session ?? this.out.session;
  }

  /** Why it failed, in the host's own words: on stderr, else on stdout. */
  private reason(exitCode: number): string {
    const { title } = this.options;
    const complaint = lastWords(this.err.text);
    const words = lastWords(this.out.text);
    const said = complaint ?? (words === undefined ? `exit code ${exitCode}` : `${words} (exit code ${exitCode})`);
    if (this.session !== undefined) return `${title} failed: ${said}`;
    const place = `ForceCommand in its sshd_config, command= in authorized_keys, or the login shell of ${this.target.user}`;
    return `${title} did not begin: ${said}${complaint === undefined ? `; the host runs something else: see ${place}` : ''}`;
  }

  private error(kind: RemoteErrorKind, reason: string, exitCode?: number): RemoteError {
    const output = [this.out.text, this.err.text].filter((text) => text !== '').join('\n');
    return new RemoteError({
      host: this.target.name,
      kind,
      reason,
      output,
      ...(exitCode !== undefined && { exitCode }),
    });
  }

  /** Resolves with the exit code, whatever it is. */
  private async ended(): Promise<number> {
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
    for (const [stream, output] of [
      [channel, this.out],
      [channel.stderr, this.err],
    ] as const) {
      stream.on('data', (chunk: Buffer) => {
        output.add(chunk);
        if (this.killedBecause !== undefined) this.killSession();
      });
    }
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
    const { killedBecause } = this;
    // Its session is gone, what it started beside may not be.
    if (killedBecause !== undefined) void (this.killing ?? Promise.resolve()).then(() => this.reject(killedBecause));
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

  /** Kills over a second session, because OpenSSH before 7.9, and any under sudo, does not deliver signals. */
  private killSession(): void {
    const { session } = this;
    if (session === undefined || this.killing !== undefined) return;
    const command = killCommand(session, this.target.sudo === true, this.word);
    this.killing = runUnheard(this.client, command)
      .catch(async () => {
        // The connection has no session left (MaxSessions), or is gone itself, and then the watchdog on the host does it.
        const client = await connect(this.target, () => undefined);
        client.on('error', () => undefined);
        await runUnheard(client, command).finally(() => client.end());
      })
      .catch(() => undefined);
  }
}

/** Runs a command whose outcome others tell; resolves when it has ended. */
function runUnheard(client: Client, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      channel
        .on('error', () => undefined)
        .on('close', resolve)
        .resume();
      channel.stderr.resume();
    });
  });
}
