interface Work<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  waiting: number;
}

/** Work that several callers want at once is done once; it is given up when the last of them has lost interest. */
export class SharedWork<T> {
  private readonly running = new Map<string, Work<T>>();

  /**
   * Joins the work under that key, or starts it.
   *
   * @param signal ends the waiting of this caller only.
   */
  async join(key: string, signal: AbortSignal | undefined, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const work = this.running.get(key) ?? this.start(key, start);
    work.waiting++;
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => {
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([work.result, aborted]);
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
      if (--work.waiting === 0) {
        this.running.delete(key);
        work.abort.abort();
      }
    }
  }

  private start(key: string, start: (signal: AbortSignal) => Promise<T>): Work<T> {
    const abort = new AbortController();
    const work: Work<T> = { result: start(abort.signal), abort, waiting: 0 };
    this.running.set(key, work);
    // A caller that gave up leaves nobody to hear of the failure.
    work.result.catch(() => undefined);
    return work;
  }
}
