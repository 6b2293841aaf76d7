import {
  allHandlersFinished,
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import type { SpecReference } from '../cluster/spec.js';
import { ask, decide, decisionOf, noApprovals, withdraw } from './approvals.js';
import type { ApprovalState, DecisionReply, RecordedDecision } from './approvals.js';
import { Dag, Interrupted, type DagStep, type Planned, type StepOutcome, type StepRecord } from './dag.js';
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
} from './messages.js';

/** What a run hands to the one that continues it, in the place of its history. Part of an input: it must be JSON. */
export interface Carried<Step extends DagStep, Facts> {
  readonly steps: readonly Planned<Step>[];
  readonly facts: Facts;
  readonly approvals: ApprovalState;
  /** When each request that waits was first shown to a person, ISO 8601, by its sha256. */
  readonly asked: Readonly<Record<string, string>>;
  readonly childSteps: readonly StepRecord[];
  readonly children: readonly Child[];
  readonly abort?: string;
}

/** The input of a workflow that continues itself as new. */
export type Continued<Input, Step extends DagStep, Facts> = Input & { readonly carried?: Carried<Step, Facts> };

/**
 * What every workflow of a cluster has in common: it answers `status`, takes decisions, passes on what is meant for a
 * workflow that it started, and continues as new before its history is too long for Temporal. Made first thing in a
 * workflow, so that no message comes before its handler.
 */
export class Run<Input extends SpecReference, Step extends DagStep, Facts extends object = object> {
  /** The input, without what is carried: what activities and children are given. */
  readonly input: Input;
  /** What the workflow itself has to remember; changed in place. */
  readonly facts: Facts;
  private readonly carried: Carried<Step, Facts> | undefined;
  private approvals: ApprovalState;
  private dag: Dag<Step> | undefined;
  private readonly children: Map<string, Child>;
  private readonly replies = new Map<string, DecisionReply>();
  private readonly childSteps: StepRecord[];
  private readonly asked: Map<string, string>;
  private waitingFor: string | undefined;
  private earlyAbort: string | undefined;

  /** @param facts - what the workflow remembers at its very beginning */
  constructor(
    private readonly operation: Operation,
    { carried, ...input }: Continued<Input, Step, Facts>,
    facts: Facts,
  ) {
    this.input = input as unknown as Input;
    this.carried = carried;
    // A run of an earlier version carried what it knew of; what has been added since begins here.
    this.facts = { ...facts, ...carried?.facts };
    this.approvals = carried?.approvals ?? noApprovals;
    this.asked = new Map(Object.entries(carried?.asked ?? {}));
    this.childSteps = [...(carried?.childSteps ?? [])];
    this.children = new Map(carried?.children.map((child) => [child.host, child]));
    this.earlyAbort = carried?.abort;
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
    setHandler(decisionReplySignal, ({ reference, reply }) => void this.replies.set(reference, reply));
    setHandler(retryStepSignal, (id) => this.answer(id, 'retry'), { description: 'Try a held step again, by its id' });
    setHandler(skipStepSignal, (id) => this.answer(id, 'skip'), {
      description: 'Go on without a held step, by its id',
    });
    setHandler(abortSignal, (reason) => this.abort(reason), {
      description: 'End the run, with a reason; hosts stay as they are',
    });
  }

  steps(): StepRecord[] {
    return [...(this.dag?.snapshot() ?? []), ...this.childSteps];
  }

  /**
   * Runs the DAG; throws as {@link Dag.run} does. When Temporal suggests it, the run continues as new between two steps
   * and goes on there: `perform` may be called again, in another run, for what is not done.
   *
   * @param plan - asked once, by the first run
   * @param reliesOnOthers - see {@link Dag}
   */
  async perform(
    plan: () => Promise<readonly Step[]>,
    perform: (step: Step) => Promise<StepOutcome>,
    reliesOnOthers: (step: Step) => boolean = () => false,
  ): Promise<void> {
    // Nothing may be awaited before there is a DAG that can take the answers to its held steps.
    this.dag = new Dag<Step>(this.carried?.steps ?? (await plan()), perform, {
      changed: () => this.describe(),
      pauseWanted: () => workflowInfo().continueAsNewSuggested,
      reliesOnOthers,
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

  startedChild(host: string, workflowId: string): void {
    this.children.set(host, { host, workflowId, running: true });
  }

  /**
   * What a child did stays in the status of the run that started it.
   *
   * @param steps - undefined for one that failed: it is asked itself, as a workflow that has ended still answers
   */
  endedChild(host: string, steps: readonly StepRecord[] | undefined): void {
    const child = this.children.get(host);
    if (child === undefined) return;
    if (steps === undefined) {
      this.children.set(host, { ...child, running: false });
    } else {
      this.children.delete(host);
      this.childSteps.push(...steps);
    }
  }

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
      childSteps: this.childSteps,
      children: [...this.children.values()],
      ...(this.earlyAbort === undefined ? {} : { abort: this.earlyAbort }),
    };
  }

  private status(): RunStatus {
    return {
      operation: this.operation,
      cluster: this.input.cluster,
      steps: this.steps(),
      approvals: this.approvals,
      children: [...this.children.values()],
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
    else await this.tell(child.workflowId, approveCsrSignal, message);
  }

  private async passOnOrReply(message: unknown): Promise<DecisionReply> {
    const child = this.childOf(message);
    if (child === undefined) return this.decide(message);
    const reference = uuid4();
    await this.tell(child.workflowId, passedDecisionSignal, { decision: message, reference });
    await condition(() => this.replies.has(reference) || this.runningChild(child.host) === undefined);
    const reply = this.replies.get(reference);
    this.replies.delete(reference);
    return reply ?? { accepted: false, why: `the join of ${child.host} ended before it could take a decision` };
  }

  private async replyToParent({ decision, reference }: PassedDecision): Promise<void> {
    const reply = this.decide(decision);
    const { parent } = workflowInfo();
    if (parent !== undefined) await this.tell(parent.workflowId, decisionReplySignal, { reference, reply });
  }

  /** The running child that a decision is about. */
  private childOf(message: unknown): Child | undefined {
    const node = typeof message === 'object' && message !== null ? (message as { node?: unknown }).node : undefined;
    return typeof node === 'string' ? this.runningChild(node) : undefined;
  }

  private runningChild(host: string): Child | undefined {
    const child = this.children.get(host);
    return child?.running === true ? child : undefined;
  }

  /** A signal can carry anything: what is not the id of a held step does nothing. */
  private async answer(id: unknown, answer: 'retry' | 'skip'): Promise<void> {
    if (typeof id !== 'string') return;
    this.dag?.answer(id, answer);
    const child = this.runningChild(id.slice(id.indexOf(':') + 1));
    if (child !== undefined)
      await this.tell(child.workflowId, answer === 'retry' ? retryStepSignal : skipStepSignal, id);
  }

  private abort(reason: unknown): void {
    const why = typeof reason === 'string' && reason.trim() !== '' ? reason : 'no reason was given';
    this.earlyAbort ??= why;
    this.dag?.abort(why);
  }

  /** A child that has just ended needs no message any more. */
  private async tell(workflowId: string, signal: { name: string }, payload: unknown): Promise<void> {
    await getExternalWorkflowHandle(workflowId)
      .signal(signal.name, payload)
      .catch(() => undefined);
  }

  private describe(): void {
    setCurrentDetails(details(this.status()));
  }
}

/** Markdown for the Temporal UI: what needs a person first, then what runs, then how far it is. */
function details({ steps, approvals, waitingFor, pausing }: RunStatus): string {
  const of = (state: StepRecord['state']): StepRecord[] => steps.filter((step) => step.state === state);
  const over = of('done').length + of('skipped').length;
  return [
    ...(waitingFor === undefined ? [] : [`**Waiting for you:** ${waitingFor}`, '']),
    ...approvals.pending.flatMap((request) => [
      `**${request.node} asks for a certificate** (${request.subject}, requested by ${request.requester}). Answer with signal \`approve-csr\`:`,
      '```json',
      JSON.stringify({ node: request.node, csrSha256: request.csrSha256, decision: 'approve', approver: 'your name' }),
      '```',
    ]),
    ...of('held').map((step) => `- **held** ${step.title}: ${step.problem ?? ''} (signal \`retry-step\` "${step.id}")`),
    ...of('running').map((step) => `- running: ${step.title}`),
    ...(pausing === undefined ? [] : ['', pauseText(pausing)]),
    '',
    `${over} of ${steps.length} steps are done.`,
  ].join('\n');
}

/** Why nothing starts, for people. */
function pauseText(until: readonly string[]): string {
  return `The history is long: no step starts until these are over, then the run continues as new: ${until.join('; ') || 'none'}.`;
}
