import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StatusReader } from '../../../client/run-status.js';
import type { StepRecord } from '../../../workflows/engine/dag.js';
import type { deployHa } from '../../../workflows/index.js';
import { clusterWorkflowId } from '../../../workflows/messages.js';
import { must, type Client, type LabRun, type LogLine } from '../harness.js';
import { inflict } from './faults.js';
import type { Plan, Point, UndisturbedStep } from './points.js';

/** A fault that was made. */
export interface MadeFault extends Point {
  /** ISO 8601. */
  readonly at: string;
  /** Whether the step was running at that moment, as the run's own report says afterwards. */
  readonly met: boolean;
  /** Other steps that were running too, since the worker was last started. */
  readonly alsoMet: readonly string[];
  /** From the fault to the end of the run. */
  readonly secondsToEnd: number;
}

export interface FinishedRun {
  /** From the start of the workflow to its end, as Temporal has them. */
  readonly seconds: number;
  readonly start: number;
  readonly steps: readonly StepRecord[];
  readonly faults: readonly MadeFault[];
  /** Points whose step had ended before their moment came. */
  readonly late: readonly Point[];
}

/** After a fault has been put back: how long the run is left alone, so that not every attempt of a step is killed. */
const PAUSE_MS = 2000;
const ATTACH_MS = 1000;

export const CLUSTER = 'lab';

/** One deployment, from nothing, with faults on its way. It must end well by itself. */
export class DisturbedRun {
  private client: Client | undefined;
  private readonly open: UndisturbedStep[];
  private readonly late: Point[] = [];
  private readonly made: { readonly point: Point; readonly at: number; readonly running: readonly string[] }[] = [];
  /** Steps that began with the worker that runs, and are not over. */
  private readonly running = new Set<string>();
  /** When steps said that they run. */
  private readonly begun = new Map<string, number[]>();
  private armed: { readonly point: Point; readonly timer: NodeJS.Timeout } | undefined;
  private fail: (error: unknown) => void = () => undefined;
  private readonly failed = new Promise<never>((_resolve, reject) => {
    this.fail = reject;
  });
  private making: Promise<void> | undefined;
  private freeAt = 0;
  private over = false;

  private constructor(
    private readonly lab: LabRun,
    private readonly plan: Plan,
  ) {
    this.open = [...plan.steps];
  }

  /**
   * @param signal - ends the run as if it had failed
   * @throws Error that says what did not go well, with the client's output
   */
  static async play(lab: LabRun, file: string, plan: Plan, signal?: AbortSignal): Promise<FinishedRun> {
    const run = new DisturbedRun(lab, plan);
    const stop = (): void => run.fail(new Error('stopped'));
    signal?.addEventListener('abort', stop);
    try {
      return await run.play(file);
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  private async play(file: string): Promise<FinishedRun> {
    this.lab.onWorkerLine((line) => {
      if (!this.over) this.heard(line);
    });
    this.client = this.lab.client('deploy-ha', '-f', file, '--json', join(this.lab.directory, 'deploy.json'));
    this.failed.catch(() => undefined);
    try {
      await Promise.race([this.followed(), this.failed]);
    } catch (error) {
      throw new Error(`${(error as Error).message}${await this.held()}`, { cause: error });
    } finally {
      this.over = true;
      clearTimeout(this.armed?.timer);
    }
    await this.making;
    return this.report();
  }

  /** Until the last of the clients says that the run ended well. */
  private async followed(): Promise<void> {
    for (;;) {
      const { client } = this;
      const outcome = await client?.outcome;
      if (outcome?.exitCode === 0) return;
      // Killed: another one has been attached, or is about to be.
      if (outcome?.exitCode === -1 && this.making !== undefined) await this.making;
      if (client === this.client) throw new Error(`the client failed (${outcome?.exitCode}): ${outcome?.stderr}`);
    }
  }

  private heard({ step, state, msg }: LogLine): void {
    if (step === undefined) return;
    if (state === 'held') {
      this.fail(new Error(`a person would be needed: ${msg}`));
      return;
    }
    if (state !== 'running') {
      this.running.delete(step);
      if (this.armed?.point.step === step) this.disarm(this.armed.point);
      return;
    }
    this.running.add(step);
    this.begun.set(step, [...(this.begun.get(step) ?? []), Date.now()]);
    const candidate = this.open.find(({ id }) => id === step);
    const fault = this.plan.faults[this.made.length];
    const busy = this.armed !== undefined || this.making !== undefined || Date.now() < this.freeAt;
    if (candidate === undefined || fault === undefined || busy) return;
    this.open.splice(this.open.indexOf(candidate), 1);
    const point = this.plan.point(candidate, fault);
    if (point.delayMs === 0) this.make(point);
    else this.armed = { point, timer: setTimeout(() => this.make(point), point.delayMs) };
  }

  /** What a person would be told, a line for each held step. */
  private async held(): Promise<string> {
    const { stdout } = await this.lab.startWorkflow('status', '--cluster', CLUSTER);
    const lines = stdout.split('\n').filter((line) => /^ +held /.test(line));
    return ['', ...lines].join('\n');
  }

  private disarm(point: Point): void {
    clearTimeout(this.armed?.timer);
    this.armed = undefined;
    this.late.push(point);
  }

  private make(point: Point): void {
    this.armed = undefined;
    this.made.push({ point, at: Date.now(), running: [...this.running] });
    if (point.fault === 'worker') this.running.clear();
    this.making = (point.fault === 'client' ? this.replaceClient() : inflict(this.lab, point))
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.making = undefined;
        this.freeAt = Date.now() + PAUSE_MS;
      });
  }

  private async replaceClient(): Promise<void> {
    this.client?.kill();
    await delay(ATTACH_MS);
    this.client = this.lab.client('status', '--cluster', CLUSTER, '--watch');
  }

  private async report(): Promise<FinishedRun> {
    const { steps, start, end } = await this.lab.withTemporal(async (temporal) => {
      const handle = temporal.workflow.getHandle<typeof deployHa>(clusterWorkflowId(CLUSTER));
      await handle.result();
      const { steps } = await new StatusReader(temporal, CLUSTER).read();
      const { startTime, closeTime } = await handle.describe();
      return { steps, start: startTime.getTime(), end: closeTime?.getTime() ?? 0 };
    });
    return {
      seconds: (end - start) / 1000,
      start,
      steps,
      faults: this.made.map(({ point, at, running }) => ({
        ...point,
        at: new Date(at).toISOString(),
        met: this.met(point.step, at, steps),
        alsoMet: running.filter((id) => id !== point.step && this.met(id, at, steps)),
        secondsToEnd: (end - at) / 1000,
      })),
      late: this.late,
    };
  }

  /**
   * A step that is over within one workflow task has no duration: it was met if its task was lost, so that it began
   * again afterwards.
   */
  private met(id: string, at: number, steps: readonly StepRecord[]): boolean {
    const step = steps.find((candidate) => candidate.id === id);
    const [first = at, ...again] = this.begun.get(id) ?? [];
    if (again.some((later) => first <= at && at <= later)) return true;
    return (
      step?.start !== undefined && step.end !== undefined && Date.parse(step.start) <= at && at < Date.parse(step.end)
    );
  }
}

/** The differences that a second deployment would remove; none are left by a run that ended well. */
export async function plannedChanges(lab: LabRun, file: string): Promise<string[]> {
  const { stdout } = await must(lab.startWorkflow('plan', '-f', file, '--json'));
  const plan = JSON.parse(stdout) as { host: string; changes: { what: string; why: string }[] }[];
  return plan.flatMap(({ host, changes }) => changes.map(({ what, why }) => `${host} ${what}: ${why}`));
}
