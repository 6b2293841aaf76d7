import { eventIn } from './ginkgo-output.js';

/** Seconds for which what ginkgo said of a running test is news: it says it again every {@link REPORT_SECONDS}. */
const FRESH_SECONDS = 30;

/** How often ginkgo tells of a test that runs for long. */
export const REPORT_SECONDS = 20;

/** Keeps count of a run from ginkgo's output, while it goes. */
export class Tally {
  readonly #running = new Map<string, { readonly seconds: number; readonly at: number }>();

  /**
   * @param of how many tests there are
   * @param ended how many have ended, and how many of these have `failed`
   */
  constructor(
    private readonly of: number,
    private ended = 0,
    private failed = 0,
  ) {}

  /**
   * Takes in a line.
   *
   * @param now milliseconds since the epoch
   * @returns the test that it says is running, and for how many seconds
   */
  take(line: string, now: number): { readonly name: string; readonly seconds: number } | undefined {
    const event = eventIn(line);
    if (event?.kind === 'ended') {
      this.ended += 1;
      if (event.failed) this.failed += 1;
    }
    if (event?.kind !== 'running') return undefined;
    this.#running.set(event.name, { seconds: event.seconds, at: now });
    return event;
  }

  /** How far the run is, in a line. */
  text(now: number): string {
    const fresh = [...this.#running].filter(([, { at }]) => at > now - FRESH_SECONDS * 1000);
    const [longest] = fresh.sort(([, a], [, b]) => b.seconds - a.seconds);
    const busy = longest === undefined ? '' : `, ${longest[1].seconds.toFixed(0)} s in: ${longest[0].slice(0, 80)}`;
    return `${this.ended} of ${this.of} tests, ${this.failed} failed${busy}`;
  }
}
