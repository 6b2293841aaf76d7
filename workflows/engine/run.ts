import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CertificateRequest } from '../../cluster/certificate-request.js';
import type { AnyStep } from '../../cluster/operations/step.js';
import type { SpecReference } from '../../cluster/spec.js';
import { ask, decide, decisionOf, KEPT, noApprovals, refuse, withdraw } from './approvals.js';
import type { ApprovalState, DecisionReply, RecordedDecision } from './approvals.js';
import { Dag, type DagOptions, type StepRecord } from './dag.js';
import { Children, tell } from './children.js';
import type { Carried, Continued } from './continuation.js';
import { details } from './details.js';
import { Interrupted } from './failures.js';
import { performer, type Handlers } from './handlers.js';
import {
  abortSignal,
  approveCsrSignal,
  decideCsrUpdate,
  retryStepSignal,
  skipStepSignal,
  decisionReplySignal,
  passedDecisionSignal,
  statusQuery,
  type Child,
  type Operation,
  type PassedDecision,
  type RunStatus,
} from '../messages.js';
import { refusedRun, requireOwnId } from './run-identity.js';
import { readSteering, type Intervention, type Said, type SteeringKind } from './steering.js';
import { Turns } from './turns.js';

/**
 * What every workflow of a cluster has in common: it answers `status`, takes decisions, passes on what is meant for a
 * workflow that it started, and continues as new before its history is too long for Temporal. Made first thing in a
 * workflow, so that no message comes before its handler.
 */
export class Run<Input extends SpecReference, Step extends AnyStep, Facts extends object = object> {
  /** The input, without what is carried: what activities and children are given. */
  readonly input: Input;
  /** What the workflow itself has to remember; changed in place. */
  readonly facts: Facts;
  private readonly carried: Carried<Step, Facts> | undefined;
  private approvals: ApprovalState;
  private dag: Dag<Step> | undefined;
  private readonly turns: Turns;
  /** What the run has started. */
  readonly children: Children;
  private readonly asked: Map<string, string>;
  private interventions: readonly Intervention[];
  private waitingFor: string | undefined;
  private earlyAbort: string | undefined;

  /**
   * @param facts - what the workflow remembers at its very beginning
   * @throws ApplicationFailure for a run that is not the cluster's one change, or brings what only a run of its own can
   * hand over: whoever starts a workflow writes its input
   */
  constructor(
    private readonly operation: Operation,
    { carried, ...input }: Continued<Input, Step, Facts>,
    facts: Facts,
  ) {
    this.input = input as unknown as Input;
    requireOwnId(input.cluster);
    if (carried !== undefined && workflowInfo().continuedFromExecutionRunId === undefined) {
      throw refusedRun('a run begins with nothing carried: only a run that continues another has that in its input');
    }
    this.carried = carried;
    this.facts = { ...facts, ...carried?.facts };
    this.approvals = carried?.approvals ?? noApprovals;
    this.asked = new Map(Object.entries(carried?.asked ?? {}));
    this.children = new Children(carried?.children);
    this.interventions = carried?.interventions ?? [];
    this.earlyAbort = carried?.abort;
    this.turns = new Turns(
      carried?.turn,
      (id) => this.isOver(id),
      () => this.dag?.pausing === true,
    );
    setHandler(statusQuery, () => this.status(), {
      description: 'Steps, held steps and requests that wait for a decision',
    });
    setHandler(approveCsrSignal, (decision) => this.passOnOrDecide(decision), {
      description: 'Approve or deny a certificate request: {node, csrSha256, decision, approver, reason?}',
    });
    setHandler(decideCsrUpdate, (decision) => this.passOnOrReply(decision), {
      description: 'approve-csr with a typed answer',
    });
    setHandler(passedDecisionSignal, (passed) => this.replyToParent(passed));
    setHandler(decisionReplySignal, ({ reference, reply }) => this.children.replied(reference, reply));
    setHandler(retryStepSignal, (message) => this.answer('retry-step', message), {
      description: 'Try a held step again: {step, by, why}',
    });
    setHandler(skipStepSignal, (message) => this.answer('skip-step', message), {
      description: 'Go on without a held step: {step, by, why}',
    });
    setHandler(abortSignal, (message) => this.abort(message), {
      description: 'End the run; hosts stay as they are: {by, why}',
    });
  }

  steps(): StepRecord[] {
    return this.dag?.snapshot() ?? [];
  }

  /** Whether a step of the run is done or skipped. */
  isOver(id: string): boolean {
    return this.dag?.isOver(id) === true;
  }

  /** Number of things that steps have changed. */
  changed(): number {
    return this.steps().reduce((sum, { changed }) => sum + changed, 0);
  }

  /**
   * Runs the DAG; throws as {@link Dag.run} does. When Temporal suggests it, the run continues as new between two steps
   * and goes on there: a handler may be called again, in another run, for what is not done.
   *
   * @param plan - asked once, by the first run
   */
  async perform(
    plan: () => Promise<readonly Step[]>,
    handlers: Handlers<Step>,
    options: Partial<Pick<DagOptions<Step>, 'reliesOnOthers' | 'window'>> = {},
  ): Promise<void> {
    // Nothing may be awaited before there is a DAG that can take the answers to its held steps.
    this.dag = new Dag<Step>(this.carried?.steps ?? (await plan()), performer(handlers), {
      reliesOnOthers: () => false,
      window: () => undefined,
      ...options,
      changed: () => this.describe(),
      pauseWanted: () => workflowInfo().continueAsNewSuggested,
    });
    if (this.earlyAbort !== undefined) this.dag.abort(this.earlyAbort);
    if ((await this.dag.run()) === 'over') return;
    // What a handler has begun, such as a message to a child, belongs to this run.
    await condition(allHandlersFinished);
    await continueAsNew({ ...this.input, carried: this.carry(this.dag) });
  }

  /** Waits until `happened`, for a person; a pause of the run ends the wait, and the next run waits on. */
  async person(happened: () => boolean, deadlineMs?: number): Promise<void> {
    const over = (): boolean => happened() || this.dag?.pausing === true;
    await (deadlineMs === undefined ? condition(over) : condition(over, deadlineMs));
    if (!happened() && this.dag?.pausing === true) throw new Interrupted();
  }

  /** Acts once no other step of the run disturbs the control plane; see {@link Turns}. */
  readonly inTurn = <Result>(id: string, act: () => Promise<Result>): Promise<Result> => this.turns.take(id, act);

  /** Takes the question about a node back, because the run ends. */
  withdraw(node: string): CertificateRequest | undefined {
    const request = this.approvals.pending.find((pending) => pending.node === node);
    this.approvals = withdraw(this.approvals, node);
    this.describe();
    return request;
  }

  /** Says in `status` and in the UI what a person is to do; undefined when it is done. */
  waitFor(what: string | undefined): void {
    this.waitingFor = what;
    this.describe();
  }

  /** The approval that a node got from a person in this run. */
  approvalOf(node: string): RecordedDecision | undefined {
    return this.approvals.decided.find((decided) => decided.node === node && decided.decision === 'approve');
  }

  /**
   * Asks a person about a request and waits.
   *
   * @returns the decision, or undefined when the deadline passed without one; silence never approves.
   */
  async decision(request: CertificateRequest, deadlineSeconds: number): Promise<RecordedDecision | undefined> {
    this.approvals = ask(this.approvals, request);
    const asked = this.asked.get(request.csrSha256) ?? new Date().toISOString();
    this.asked.set(request.csrSha256, asked);
    this.describe();
    const deadline = Date.parse(asked) + deadlineSeconds * 1000;
    await this.person(() => decisionOf(this.approvals, request) !== undefined, Math.max(1, deadline - Date.now()));
    const decision = decisionOf(this.approvals, request);
    this.asked.delete(request.csrSha256);
    if (decision === undefined) this.approvals = withdraw(this.approvals, request.node);
    this.describe();
    return decision;
  }

  private carry(dag: Dag<Step>): Carried<Step, Facts> {
    return {
      steps: dag.carried(),
      facts: this.facts,
      approvals: this.approvals,
      asked: Object.fromEntries(this.asked),
      children: this.children.list(),
      interventions: this.interventions,
      ...(this.turns.heldBy === undefined ? {} : { turn: this.turns.heldBy }),
      ...(this.earlyAbort === undefined ? {} : { abort: this.earlyAbort }),
    };
  }

  private status(): RunStatus {
    return {
      operation: this.operation,
      cluster: this.input.cluster,
      steps: this.steps(),
      approvals: this.approvals,
      children: this.children.list(),
      interventions: this.interventions,
      ...(this.waitingFor === undefined ? {} : { waitingFor: this.waitingFor }),
      ...(this.dag?.pausing === true ? { pausing: this.dag.running().map(({ title }) => title) } : {}),
    };
  }

  private decide(message: unknown): DecisionReply {
    const { state, reply } = decide(this.approvals, message, new Date().toISOString());
    this.approvals = state;
    this.describe();
    return reply;
  }

  private async passOnOrDecide(message: unknown): Promise<void> {
    const child = this.childOf(message);
    if (child === undefined) this.decide(message);
    else await tell(child.workflowId, approveCsrSignal, message);
  }

  private async passOnOrReply(message: unknown): Promise<DecisionReply> {
    const child = this.childOf(message);
    if (child === undefined) return this.decide(message);
    return this.children.ask(child, message);
  }

  private async replyToParent({ decision, reference }: PassedDecision): Promise<void> {
    const reply = this.decide(decision);
    const { parent } = workflowInfo();
    if (parent !== undefined) await tell(parent.workflowId, decisionReplySignal, { reference, reply });
  }

  /** The running child that a decision is about. */
  private childOf(message: unknown): Child | undefined {
    const node = typeof message === 'object' && message !== null ? (message as { node?: unknown }).node : undefined;
    return typeof node === 'string' ? this.children.running(node) : undefined;
  }

  /**
   * Takes what a person says, if it says who and why: it is recorded like a decision once `act` has done it.
   *
   * @param act - why it cannot be done, as a text; undefined when it is done
   */
  heard(kind: SteeringKind, message: unknown, act: (about: string, said: Said) => string | undefined): void {
    const read = readSteering(kind, message);
    const why = typeof read === 'string' ? read : act(read.about, read);
    const at = new Date().toISOString();
    if (typeof read === 'string' || why !== undefined) {
      const { about, by } = typeof read === 'string' ? { about: `(${kind})`, by: '(unreadable)' } : read;
      this.approvals = refuse(this.approvals, { at, node: about, approver: by, why: why ?? '' });
    } else {
      this.interventions = [...this.interventions, { at, ...read }].slice(-KEPT);
    }
    this.describe();
  }

  private async answer(kind: 'retry-step' | 'skip-step', message: unknown): Promise<void> {
    const read = readSteering(kind, message);
    const { about: step, by, why } = typeof read === 'string' ? { about: '', by: '', why: '' } : read;
    const child = this.children.running(step.slice(step.indexOf(':') + 1));
    const own = this.dag?.answer(step, kind === 'retry-step' ? 'retry' : 'skip') === true;
    // The record is where the step is.
    if (own || child === undefined) {
      this.heard(kind, message, () => (own ? undefined : `step ${step} is not held`));
    } else {
      await tell(child.workflowId, kind === 'retry-step' ? retryStepSignal : skipStepSignal, { step, by, why });
    }
  }

  private abort(message: unknown): void {
    this.heard('abort', message, (_about, { by, why }) => {
      this.earlyAbort ??= `${why} (by ${by})`;
      this.dag?.abort(this.earlyAbort);
      return undefined;
    });
  }

  private describe(): void {
    setCurrentDetails(details(this.status()));
  }
}
