import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';

/** The host opened no session, so that nothing was started. */
export class SessionRefused extends Error {}

/** sshd allows 10 sessions a connection (MaxSessions); two are kept free, for killing commands. */
const MOST_SESSIONS = 8;

/** sshd frees a session a moment after it ended. */
const RETRY_MS = 100;
const PATIENCE_MS = 2000;

/**
 * The commands of one connection. A host may allow fewer sessions than usual (MaxSessions of sshd_config), of which only
 * its refusals tell: from the first one on, no more run at once than ever did.
 */
export class SessionQueue {
  private readonly limit = pLimit(MOST_SESSIONS);
  private waiting = 0;
  private open = 0;
  private mostOpen = 0;

  /** Whether nothing runs and nothing waits. */
  get idle(): boolean {
    return this.waiting === 0;
  }

  /**
   * Waits for a session, and for what is done in it.
   *
   * @param start - opens one
   * @throws SessionRefused when the host opens none though none is open; whatever `start` and its result throw
   */
  async run<T>(start: () => Promise<{ result: () => Promise<T> }>): Promise<T> {
    this.waiting++;
    try {
      let patience = PATIENCE_MS;
      for (;;) {
        try {
          return await this.limit(() => this.attempt(start));
        } catch (error) {
          if (!(error instanceof SessionRefused)) throw error;
          if (this.limit.concurrency > this.mostOpen && this.mostOpen > 0) this.limit.concurrency = this.mostOpen;
          if (this.open === 0 && (patience -= RETRY_MS) < 0) throw error;
          await sleep(RETRY_MS);
        }
      }
    } finally {
      this.waiting--;
    }
  }

  private async attempt<T>(start: () => Promise<{ result: () => Promise<T> }>): Promise<T> {
    const session = await start();
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      return await session.result();
    } finally {
      this.open--;
    }
  }
}
