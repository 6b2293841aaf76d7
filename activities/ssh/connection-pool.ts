import type { Client } from 'ssh2';
import { connect, type NewHostKey } from './connection.js';
import { RemoteError } from './errors.js';
import { start, type ExecResult, type RunOptions } from './exec.js';
import { SessionQueue, SessionRefused } from './session-queue.js';
import type { SshTarget } from './target.js';

/** One host as the rest of the activities see it. */
export interface RemoteHost {
  readonly name: string;
  /** See {@link start}; connects first where there is no connection. */
  run(options: RunOptions): Promise<ExecResult>;
}

export interface SshPoolOptions {
  /** Looks up how a host is reached. */
  readonly hosts: (name: string) => SshTarget | Promise<SshTarget>;
  /** Called when the key of a host that was never seen before has been recorded. */
  readonly onNewHostKey?: (key: NewHostKey) => void;
  /**
   * A connection without commands is closed after this time.
   * @default 60_000
   */
  readonly idleMs?: number;
}

interface PooledConnection {
  readonly client: Promise<Client>;
  readonly sessions: SessionQueue;
  idleTimer?: NodeJS.Timeout;
}

/** One multiplexed connection a host, opened when needed, replaced when it died, closed when idle. */
export class SshPool {
  private readonly connections = new Map<string, PooledConnection>();
  private closed = false;

  constructor(private readonly options: SshPoolOptions) {}

  /** The host `name`; nothing is connected yet. */
  host(name: string): RemoteHost {
    return { name, run: (options) => this.run(name, options) };
  }

  /** Runs a command on the host `name`; see {@link start} for the result and the errors. */
  async run(name: string, options: RunOptions): Promise<ExecResult> {
    const target = await this.options.hosts(name);
    const connection = this.connection(target);
    clearTimeout(connection.idleTimer);
    try {
      return await connection.sessions.run(async () => {
        if (options.signal?.aborted === true) {
          throw new RemoteError({ host: name, kind: 'cancelled', reason: `${options.title} was cancelled` });
        }
        return start(await connection.client, target, options);
      });
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error;
      const reason = `${options.title}: the host opens no session (${error.message}); see MaxSessions in its sshd_config`;
      throw new RemoteError({ host: name, kind: 'unreachable', reason });
    } finally {
      this.closeWhenIdle(target, connection);
    }
  }

  /** Closes every connection; commands that still run are killed by their hosts and fail as `connection-lost`. */
  async close(): Promise<void> {
    this.closed = true;
    const open = [...this.connections.values()];
    this.connections.clear();
    for (const { idleTimer } of open) clearTimeout(idleTimer);
    await Promise.all(open.map(({ client }) => client.then(end, () => undefined)));
  }

  private connection(target: SshTarget): PooledConnection {
    if (this.closed) throw new Error(`cannot reach ${target.name}: the SSH pool is closed`);
    const key = keyOf(target);
    const pooled = this.connections.get(key);
    if (pooled !== undefined) return pooled;
    const client = connect(target, this.options.onNewHostKey ?? (() => undefined));
    const connection = { client, sessions: new SessionQueue() };
    const forget = (): void => {
      if (this.connections.get(key) === connection) this.connections.delete(key);
    };
    client.then((ready) => {
      // Without a listener an 'error' would end the process; commands under way learn of it by their own 'close'.
      ready.on('error', forget).on('close', forget);
    }, forget);
    this.connections.set(key, connection);
    return connection;
  }

  private closeWhenIdle(target: SshTarget, connection: PooledConnection): void {
    if (!connection.sessions.idle) return;
    clearTimeout(connection.idleTimer);
    if (this.connections.get(keyOf(target)) !== connection) return;
    connection.idleTimer = setTimeout(() => {
      this.connections.delete(keyOf(target));
      connection.client.then(end, () => undefined);
    }, this.options.idleMs ?? 60_000).unref();
  }
}

/** A changed address, user or key file in the spec means a new connection. */
function keyOf(target: SshTarget): string {
  return JSON.stringify(target);
}

/** How long a peer may take to answer the goodbye. */
const END_TIMEOUT_MS = 2000;

function end(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = setTimeout(() => {
      client.destroy();
      resolve();
    }, END_TIMEOUT_MS);
    client.once('close', () => {
      clearTimeout(giveUp);
      resolve();
    });
    client.end();
  });
}
