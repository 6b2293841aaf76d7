import { condition, getExternalWorkflowHandle, setCurrentDetails, setHandler } from '@temporalio/workflow';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import { ask, decide, decisionOf, noApprovals, withdraw } from './approvals.js';
import type { ApprovalState, DecisionReply, RecordedDecision } from './approvals.js';
import { Dag, type DagStep, type StepOutcome, type StepRecord } from './dag.js';
import {
  abortSignal,
  approveCsrSignal,
  decideCsrUpdate,
  retryStepSignal,
  skipStepSignal,
  statusQuery,
  type Operation,
} from './messages.js';

/**
 * What every workflow of a cluster has in common: it answers `status`, takes decisions, and passes on what is meant
 * for a workflow that it started. Made first thing in a workflow, so that no message comes before its handler.
 */
export class Run<Step extends DagStep> {
  private approvals: ApprovalState = noApprovals;
  private dag: Dag<Step> | undefined;
  private readonly children = new Map<string, string>();
  private readonly childSteps: StepRecord[] = [];
  private waitingFor: string | undefined;
  private earlyAbort: string | undefined;

  constructor(
    private readonly operation: Operation,
    private readonly cluster: string,
  ) {
    setHandler(
      statusQuery,
      () => ({
        operation: this.operation,
        cluster: this.cluster,
        steps: this.steps(),
        approvals: this.approvals,
        children: [...this.children].map(([host, workflowId]) => ({ host, workflowId })),
        ...(this.waitingFor === undefined ? {} : { waitingFor: this.waitingFor }),
      }),
      { description: 'Steps, held steps and requests that wait for a decision' },
    );
    setHandler(approveCsrSignal, (decision) => this.passOnOrDecide(decision), {
      description: 'Approve or deny a certificate request: {node, csrSha256, decision, approver, reason?}',
    });
    setHandler(decideCsrUpdate, (decision) => this.decide(decision), {
      description: 'approve-csr with a typed answer',
    });
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

  /** Runs the DAG; throws as {@link Dag.run} does. */
  async perform(steps: readonly Step[], perform: (step: Step) => Promise<StepOutcome>): Promise<void> {
    this.dag = new Dag(steps, perform, () => this.describe());
    if (this.earlyAbort !== undefined) this.dag.abort(this.earlyAbort);
    await this.dag.run();
  }

  startedChild(host: string, workflowId: string): void {
    this.children.set(host, workflowId);
  }

  /** What a child did stays in the status of the run that started it. */
  endedChild(host: string, steps: readonly StepRecord[]): void {
    this.children.delete(host);
    this.childSteps.push(...steps);
  }

  /** Says in `status` and in the UI what a person is to do; undefined when it is done. */
  waitFor(what: string | undefined): void {
    this.waitingFor = what;
    this.describe();
  }

  /**
   * Asks a person about a request and waits.
   *
   * @returns the decision, or undefined when the deadline passed without one; silence never approves.
   */
  async decision(request: CertificateRequest, deadlineSeconds: number): Promise<RecordedDecision | undefined> {
    this.approvals = ask(this.approvals, request);
    this.describe();
    await condition(() => decisionOf(this.approvals, request) !== undefined, deadlineSeconds * 1000);
    const decision = decisionOf(this.approvals, request);
    if (decision === undefined) this.approvals = withdraw(this.approvals, request.node);
    this.describe();
    return decision;
  }

  private decide(message: unknown): DecisionReply {
    const { state, reply } = decide(this.approvals, message, new Date().toISOString());
    this.approvals = state;
    this.describe();
    return reply;
  }

  private async passOnOrDecide(message: unknown): Promise<void> {
    const node = typeof message === 'object' && message !== null ? (message as { node?: unknown }).node : undefined;
    const child = typeof node === 'string' ? this.children.get(node) : undefined;
    if (child === undefined) this.decide(message);
    else await this.tell(child, approveCsrSignal, message);
  }

  /** A signal can carry anything: what is not the id of a held step does nothing. */
  private async answer(id: unknown, answer: 'retry' | 'skip'): Promise<void> {
    if (typeof id !== 'string') return;
    this.dag?.answer(id, answer);
    const child = this.children.get(id.slice(id.indexOf(':') + 1));
    if (child !== undefined) await this.tell(child, answer === 'retry' ? retryStepSignal : skipStepSignal, id);
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
    setCurrentDetails(details(this.steps(), this.approvals, this.waitingFor));
  }
}

/** Markdown for the Temporal UI: what needs a person first, then what runs, then how far it is. */
function details(steps: readonly StepRecord[], approvals: ApprovalState, waitingFor: string | undefined): string {
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
    '',
    `${over} of ${steps.length} steps are done.`,
  ].join('\n');
}
