import { request, type RequestOptions } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';

/** How long one API server may take to answer before the next one is asked: fifty times what a write takes. */
const PATIENCE_MS = 500;
const PAUSE_MS = 20;

const NAMESPACE = 'writer';

/** Writes to a cluster without a pause, as a client does that knows every API server and asks the next when one fails. */
export class Writer {
  /** When each write was acknowledged, in milliseconds; its index is its number. */
  private readonly acknowledged = new Map<number, number>();
  private readonly stopped = new AbortController();
  private readonly done: Promise<void>;
  private first = 0;

  /** @param servers - URLs of API servers */
  constructor(
    private readonly servers: readonly string[],
    private readonly kubeconfig: string,
  ) {
    this.done = this.write();
  }

  /**
   * Ends the writing.
   *
   * @returns the longest time without an acknowledged write, and the numbers of acknowledged writes that are not there
   */
  async end(): Promise<{ writes: number; longestGapMs: number; lost: number[] }> {
    this.stopped.abort();
    await this.done;
    const times = [...this.acknowledged.values()];
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
    const there = await this.names();
    return {
      writes: times.length,
      longestGapMs: Math.max(0, ...gaps),
      lost: [...this.acknowledged.keys()].filter((number) => !there.has(nameOf(number))),
    };
  }

  private async write(): Promise<void> {
    await this.ask('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    for (let number = 0; !this.stopped.signal.aborted; number += 1) {
      const body = { metadata: { name: nameOf(number) }, data: { number: String(number) } };
      // Written already when only the answer was lost.
      const status = await this.ask('POST', `/api/v1/namespaces/${NAMESPACE}/configmaps`, body);
      if (status === 201 || status === 409) this.acknowledged.set(number, performance.now());
      await delay(PAUSE_MS);
    }
  }

  private async names(): Promise<Set<string>> {
    let text = '';
    await this.ask('GET', `/api/v1/namespaces/${NAMESPACE}/configmaps`, undefined, (answer) => (text = answer));
    const { items } = JSON.parse(text) as { items: { metadata: { name: string } }[] };
    return new Set(items.map(({ metadata }) => metadata.name));
  }

  /** Asks the server that answered last, and the next while one does not; gives up when the writer ends. */
  private async ask(method: string, path: string, body?: object, read?: (text: string) => void): Promise<number> {
    for (;;) {
      const server = this.servers[this.first % this.servers.length] ?? '';
      try {
        const { status, text } = await this.askOne(new URL(path, server), method, body);
        if (status < 500 && status !== 429) {
          read?.(text);
          return status;
        }
      } catch (error) {
        if (this.stopped.signal.aborted && read === undefined) throw error;
      }
      this.first += 1;
    }
  }

  private async askOne(url: URL, method: string, body?: object): Promise<{ status: number; text: string }> {
    const config = new KubeConfig();
    config.loadFromString(this.kubeconfig);
    const options: RequestOptions = { method, timeout: PATIENCE_MS, agent: false };
    await config.applyToHTTPSOptions(options);
    return new Promise((resolve, reject) => {
      const call = request(url, { ...options, headers: { 'content-type': 'application/json' } }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
        answer.on('error', reject);
      });
      const tooLate = setTimeout(() => call.destroy(new Error('no answer')), read(method));
      call.on('close', () => clearTimeout(tooLate));
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** A list of thousands takes longer than a write. */
function read(method: string): number {
  return method === 'GET' ? 30_000 : PATIENCE_MS;
}

function nameOf(number: number): string {
  return `w${number}`;
}
