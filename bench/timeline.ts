/** What a report of deploy-ha says of one step. */
export interface TimedStep {
  readonly id: string;
  readonly title: string;
  /** ISO 8601, as the next. */
  readonly start: string;
  readonly end: string;
}

/** All steps of one kind, such as `etcd` on every host; times in seconds from the first step of the run. */
export interface Kind {
  readonly kind: string;
  readonly count: number;
  readonly from: number;
  readonly to: number;
  readonly longest: number;
}

/** When the steps of one run began and ended. */
export class Timeline {
  private readonly first: number;

  constructor(private readonly steps: readonly TimedStep[]) {
    this.first = Math.min(...steps.map(({ start }) => Date.parse(start)));
  }

  /** Seconds from the first step of the run to a time. */
  at(time: string): number {
    return (Date.parse(time) - this.first) / 1000;
  }

  /** By kind, in the order in which they begin. */
  kinds(): Kind[] {
    const groups = new Map<string, TimedStep[]>();
    for (const step of this.steps) groups.set(kindOf(step), [...(groups.get(kindOf(step)) ?? []), step]);
    return [...groups]
      .map(([kind, of]) => ({
        kind,
        count: of.length,
        from: Math.min(...of.map(({ start }) => this.at(start))),
        to: Math.max(...of.map(({ end }) => this.at(end))),
        longest: Math.max(...of.map(({ start, end }) => this.at(end) - this.at(start))),
      }))
      .sort((a, b) => a.from - b.from || a.to - b.to);
  }

  /** Seconds until the last step of a kind had ended; NaN where there is none. */
  endOf(kind: string): number {
    return this.kinds().find((each) => each.kind === kind)?.to ?? Number.NaN;
  }

  /**
   * The steps that nothing could have been faster without, up to the last one of a kind. A step begins at once when its
   * last need ends, so that need is the step that ended last before it began.
   */
  criticalPath(kind?: string): TimedStep[] {
    // A join is the sum of its own steps, and the wait for the control plane hides what it waits for.
    const leaves = this.steps.filter((step) => !['join', 'control-plane'].includes(kindOf(step)));
    const later = (a: TimedStep, b: TimedStep): TimedStep => (Date.parse(a.end) >= Date.parse(b.end) ? a : b);
    const found: TimedStep[] = [];
    let current = leaves.filter((step) => kind === undefined || kindOf(step) === kind).reduce(later);
    for (;;) {
      found.unshift(current);
      const { start } = current;
      const before = leaves.filter((step) => Date.parse(step.end) <= Date.parse(start) && !found.includes(step));
      if (before.length === 0) return found;
      current = before.reduce(later);
    }
  }

  /** Lines of Markdown. */
  describe(path: readonly TimedStep[]): string[] {
    return path.map(({ title, start, end }) => `1. ${show(this.at(start))} to ${show(this.at(end))} s: ${title}`);
  }
}

/** Seconds as they are printed. */
export function show(seconds: number): string {
  return seconds.toFixed(1);
}

function kindOf({ id }: TimedStep): string {
  return id.split(':')[0] ?? id;
}
