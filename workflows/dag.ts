import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  condition,
  log,
} from '@temporalio/workflow';

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

/** Ends the whole run, instead of holding the step that throws it. */
export const FATAL = 'Fatal';

/**
 * Runs steps as soon as what they need is done. A step whose retries are used up is held: its siblings go on, and
 * `retry`, `skip` or `abort` continue it (docs/architecture.md, contract 5).
 */
export class Dag<Step extends DagStep> {
  private readonly records: Map<string, StepRecord>;
  private readonly answers = new Map<string, 'retry' | 'skip'>();
  private abortReason: string | undefined;

  /**
   * @param perform - does one step; throws when it will not go through
   * @param changed - told after every change of a record
   */
  constructor(
    private readonly steps: readonly Step[],
    private readonly perform: (step: Step) => Promise<StepOutcome>,
    private readonly changed: () => void,
  ) {
    requireDag(steps);
    this.records = new Map(
      steps.map((step) => [
        step.id,
        {
          id: step.id,
          title: step.title,
          ...(step.host === undefined ? {} : { host: step.host }),
          needs: step.needs,
          state: 'waiting',
          attempts: 0,
          changed: 0,
        },
      ]),
    );
  }

  snapshot(): StepRecord[] {
    return [...this.records.values()];
  }

  /** Answers a held step; does nothing to a step that is not held. */
  answer(id: string, answer: 'retry' | 'skip'): void {
    if (this.records.get(id)?.state === 'held') this.answers.set(id, answer);
  }

  abort(reason: string): void {
    this.abortReason ??= reason;
  }

  /**
   * @throws ApplicationFailure `Aborted` when somebody aborts, or the failure of a step that threw {@link FATAL}
   */
  async run(): Promise<void> {
    const scope = new CancellationScope();
    let steps: Promise<void>[] = [];
    const all = scope.run(() => {
      steps = this.steps.map((step) => this.runStep(step));
      return Promise.all(steps);
    });
    const aborted = condition(() => this.abortReason !== undefined).then(() => {
      throw ApplicationFailure.nonRetryable(`aborted: ${this.abortReason ?? ''}`, 'Aborted');
    });
    try {
      await Promise.race([all, aborted]);
    } catch (error) {
      scope.cancel();
      // Every step that runs gets to clean up on its host before the run ends.
      await Promise.allSettled(steps);
      throw error;
    }
  }

  private async runStep(step: Step): Promise<void> {
    await condition(() => step.needs.every((id) => this.isOver(id)));
    this.update(step.id, { state: 'running', start: now() });
    for (;;) {
      try {
        const outcome = await this.perform(step);
        this.update(step.id, {
          state: 'done',
          end: now(),
          attempts: this.record(step.id).attempts + outcome.attempts,
          changed: outcome.changed,
          ...(outcome.note === undefined ? {} : { note: outcome.note }),
        });
        return;
      } catch (error) {
        // A child or an activity that somebody else cancelled is a step like another that will not go through.
        if (CancellationScope.current().consideredCancelled || isFatal(error)) throw error;
        if ((await this.hold(step, error)) === 'skip') {
          this.update(step.id, { state: 'skipped', end: now() });
          return;
        }
        this.update(step.id, { state: 'running' });
      }
    }
  }

  private async hold(step: Step, error: unknown): Promise<'retry' | 'skip'> {
    this.update(step.id, { state: 'held', problem: reasonOf(error), attempts: this.record(step.id).attempts + 1 });
    await condition(() => this.answers.has(step.id));
    const answer = this.answers.get(step.id) ?? 'retry';
    this.answers.delete(step.id);
    return answer;
  }

  private isOver(id: string): boolean {
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
    if (record.state !== 'held' && record.problem !== undefined) {
      const { problem, ...rest } = record;
      this.records.set(id, { ...rest, note: rest.note ?? `held before: ${problem}` });
    } else {
      this.records.set(id, record);
    }
    this.changed();
  }
}

/** Refuses what could never end: an id twice, a need that does not exist, steps that wait for each other. */
function requireDag(steps: readonly DagStep[]): void {
  const refuse = (problem: string): never => {
    throw ApplicationFailure.nonRetryable(problem, 'InvalidDag');
  };
  const ids = new Set<string>();
  for (const { id } of steps) {
    if (ids.has(id)) refuse(`there are two steps ${id}`);
    ids.add(id);
  }
  for (const { id, needs } of steps) {
    const missing = needs.find((need) => !ids.has(need));
    if (missing !== undefined) refuse(`step ${id} needs ${missing}, which does not exist`);
  }
  let waiting = steps;
  for (;;) {
    const open = new Set(waiting.map(({ id }) => id));
    const next = waiting.filter(({ needs }) => needs.some((need) => open.has(need)));
    if (next.length === 0) return;
    if (next.length === waiting.length) refuse(`steps wait for each other: ${[...open].join(', ')}`);
    waiting = next;
  }
}

/** The sentence that a person needs out of Temporal's nested failures. */
export function reasonOf(error: unknown): string {
  let current = error;
  while (
    (current instanceof ActivityFailure || current instanceof ChildWorkflowFailure) &&
    current.cause !== undefined
  ) {
    current = current.cause;
  }
  return current instanceof Error ? current.message : String(current);
}

function isFatal(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === FATAL;
}

/** Workflow time, which replays the same. */
function now(): string {
  return new Date().toISOString();
}
