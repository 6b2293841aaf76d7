import { ApplicationFailure, CancellationScope, condition, log } from '@temporalio/workflow';
import { bounded } from '../../cluster/bounded.js';
import { ABORTED, Interrupted, isFatal, reasonOf } from './failures.js';
import { requireDag } from './require-dag.js';

/** Longest reason for which a step is held, in characters. */
const PROBLEM = 1_000;

/** A vertex as the runner needs it; it knows nothing of Kubernetes. */
export interface DagStep {
  readonly id: string;
  readonly title: string;
  readonly host?: string;
  readonly needs: readonly string[];
}

export type StepState = 'waiting' | 'running' | 'done' | 'held' | 'skipped';

export interface StepRecord {
  readonly id: string;
  readonly title: string;
  readonly host?: string;
  readonly needs: readonly string[];
  readonly state: StepState;
  /** ISO 8601. */
  readonly start?: string;
  readonly end?: string;
  /** Attempts of the activity that ended the step, over all retries by a person too. */
  readonly attempts: number;
  /** Number of things changed; 0 when all was as it should be. */
  readonly changed: number;
  /** What was found or done, in a few words. */
  readonly note?: string;
  /** Why the step is held. */
  readonly problem?: string;
}

export interface StepOutcome {
  readonly attempts: number;
  readonly changed: number;
  readonly note?: string;
}

/** A step of a plan; with what is known of it already, if an earlier run has begun the plan. */
export type Planned<Step extends DagStep> = Step & Partial<StepRecord>;

export interface DagOptions<Step extends DagStep> {
  /** Told after every change of a record. */
  readonly changed: () => void;
  /** Whether the run should pause as soon as it can; once true, it stays true. */
  readonly pauseWanted: () => boolean;
  /** Whether the step may wait for what others of the plan bring about, beyond its needs: they go on while it runs. */
  readonly reliesOnOthers: (step: Step) => boolean;
  /** How many steps like this one may run at once, and what they are called; undefined: as many as there are. */
  readonly window: (step: Step) => Window | undefined;
}

/** A bound for steps of one group. */
export interface Window {
  readonly group: string;
  readonly size: number;
}

/**
 * Runs steps as soon as what they need is done. A step whose retries are used up is held: its siblings go on, and
 * `retry`, `skip` or `abort` continue it (docs/architecture.md, contract 5).
 *
 * When a pause is wanted, no step starts, those that run come to their end, and the plan can be carried to another run.
 */
export class Dag<Step extends DagStep> {
  private readonly records: Map<string, StepRecord>;
  private readonly answers = new Map<string, 'retry' | 'skip'>();
  private abortReason: string | undefined;
  /** Steps that have begun and are not over, by the group of their window. */
  private readonly begun = new Map<string, Set<string>>();

  /** @param perform - does one step; throws when it will not go through */
  constructor(
    private readonly steps: readonly Planned<Step>[],
    private readonly perform: (step: Step) => Promise<StepOutcome>,
    private readonly options: DagOptions<Step>,
  ) {
    requireDag(steps);
    this.records = new Map(steps.map((step) => [step.id, recordOf(step)]));
  }

  snapshot(): StepRecord[] {
    return [...this.records.values()];
  }

  /** The plan with all that is known of it, for the run that follows a paused one. */
  carried(): Planned<Step>[] {
    return this.steps.map((step) => ({ ...step, ...this.answered(this.record(step.id)) }));
  }

  /** Answers a held step; returns false, and does nothing, for a step that is not held. */
  answer(id: string, answer: 'retry' | 'skip'): boolean {
    const held = this.records.get(id)?.state === 'held';
    if (held) this.answers.set(id, answer);
    return held;
  }

  abort(reason: string): void {
    this.abortReason ??= reason;
  }

  /** Whether no step starts any more; a step that waits for a person ends its wait then. */
  get pausing(): boolean {
    return this.options.pauseWanted() && !this.running().some((step) => this.options.reliesOnOthers(step));
  }

  /** Steps that a pause waits for. */
  running(): Step[] {
    return this.steps.filter(({ id }) => this.record(id).state === 'running');
  }

  /**
   * @returns `over` when every step is, `paused` when the rest is for another run
   * @throws ApplicationFailure `Aborted` when somebody aborts, or the failure of a step that threw {@link FATAL}
   */
  async run(): Promise<'over' | 'paused'> {
    const scope = new CancellationScope();
    let steps: Promise<void>[] = [];
    const all = scope.run(() => {
      steps = this.steps.map((step) => this.runStep(step));
      return Promise.all(steps);
    });
    const aborted = condition(() => this.abortReason !== undefined).then(() => {
      throw ApplicationFailure.nonRetryable(`aborted: ${this.abortReason ?? ''}`, ABORTED);
    });
    try {
      await Promise.race([all, aborted]);
    } catch (error) {
      scope.cancel();
      // Every step that runs gets to clean up on its host before the run ends.
      await Promise.allSettled(steps);
      throw error;
    }
    return this.steps.every(({ id }) => this.isOver(id)) ? 'over' : 'paused';
  }

  private async runStep(step: Step): Promise<void> {
    if (this.isOver(step.id)) return;
    if (this.record(step.id).state === 'held') {
      this.take(step, this.options.window(step));
      if ((await this.answerTo(step)) !== 'retry') return;
    } else {
      // Several may see their turn at once; the first one to go on takes it.
      while (!this.pausing && !this.mayStart(step)) await condition(() => this.pausing || this.mayStart(step));
      if (this.pausing) return;
    }
    this.take(step, this.options.window(step));
    this.update(step.id, { state: 'running', start: this.record(step.id).start ?? now() });
    for (;;) {
      try {
        const outcome = await this.perform(step);
        this.update(step.id, {
          state: 'done',
          end: now(),
          attempts: this.record(step.id).attempts + outcome.attempts,
          changed: outcome.changed,
          ...(outcome.note === undefined ? {} : { note: bounded(outcome.note) }),
        });
        return;
      } catch (error) {
        // A child or an activity that somebody else cancelled is a step like another that will not go through.
        if (CancellationScope.current().consideredCancelled || isFatal(error)) throw error;
        if (error instanceof Interrupted) {
          this.update(step.id, { state: 'waiting' });
          return;
        }
        this.update(step.id, {
          state: 'held',
          problem: bounded(reasonOf(error), PROBLEM),
          attempts: this.record(step.id).attempts + 1,
        });
        if ((await this.answerTo(step)) !== 'retry') return;
        this.update(step.id, { state: 'running' });
      }
    }
  }

  /**
   * Waits for the answer to a held step.
   *
   * @returns `skip` when the step is skipped now, `pause` when the answer is for another run to act on
   */
  private async answerTo({ id }: Step): Promise<'retry' | 'skip' | 'pause'> {
    await condition(() => this.pausing || this.answers.has(id));
    if (this.pausing) return 'pause';
    const answer = this.answers.get(id) ?? 'retry';
    if (answer === 'skip') this.update(id, { state: 'skipped', end: now() });
    this.answers.delete(id);
    return answer;
  }

  /** A held record with the answer that nobody has acted on yet. */
  private answered(record: StepRecord): StepRecord {
    const answer = this.answers.get(record.id);
    if (answer === undefined) return record;
    return withoutProblem({
      ...record,
      ...(answer === 'skip' ? { state: 'skipped', end: now() } : { state: 'waiting' }),
    });
  }

  private mayStart(step: Step): boolean {
    if (!step.needs.every((id) => this.isOver(id))) return false;
    const window = this.options.window(step);
    return window === undefined || (this.begun.get(window.group)?.size ?? 0) < window.size;
  }

  /** A step that is held keeps its place: what went wrong with it may go wrong with the next. */
  private take({ id }: Step, window: Window | undefined): void {
    if (window === undefined) return;
    this.begun.set(window.group, (this.begun.get(window.group) ?? new Set()).add(id));
  }

  /** Whether a step is done or skipped. */
  isOver(id: string): boolean {
    const { state } = this.record(id);
    return state === 'done' || state === 'skipped';
  }

  private record(id: string): StepRecord {
    const record = this.records.get(id);
    if (record === undefined) throw new RangeError(`no step ${id}`);
    return record;
  }

  private update(id: string, change: Partial<StepRecord>): void {
    const record = { ...this.record(id), ...change };
    // In the worker's log, so that what happens on hosts can be put beside what runs; silent while replaying.
    log.info(`step ${id} is ${record.state}`, { step: id, state: record.state });
    this.records.set(id, record.state === 'held' ? record : withoutProblem(record));
    if (record.state !== 'running' && record.state !== 'held')
      for (const steps of this.begun.values()) steps.delete(id);
    this.options.changed();
  }
}

/** The record of a step, which is all that is told of it; a new one unless an earlier run has made one. */
function recordOf({
  id,
  title,
  host,
  needs,
  state,
  start,
  end,
  attempts,
  changed,
  note,
  problem,
}: Planned<DagStep>): StepRecord {
  return {
    id,
    title,
    needs,
    state: state ?? 'waiting',
    attempts: attempts ?? 0,
    changed: changed ?? 0,
    ...defined({ host, start, end, note, problem }),
  };
}

function defined<T extends object>(of: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as never;
}

/** What held a step stays in its note. */
function withoutProblem({ problem, ...rest }: StepRecord): StepRecord {
  return problem === undefined ? rest : { ...rest, note: rest.note ?? `held before: ${problem}` };
}

/** Workflow time, which replays the same. */
function now(): string {
  return new Date().toISOString();
}
