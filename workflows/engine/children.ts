import { condition, getExternalWorkflowHandle, uuid4 } from '@temporalio/workflow';
import { passedDecisionSignal, type Child } from '../messages.js';
import type { DecisionReply } from './approvals.js';

/** A workflow that has just ended needs no message any more. */
export async function tell(workflowId: string, signal: { name: string }, payload: unknown): Promise<void> {
  await getExternalWorkflowHandle(workflowId)
    .signal(signal.name, payload)
    .catch(() => undefined);
}

/** The workflows that a run has started, one a host, and the questions that are on their way to them. */
export class Children {
  private readonly byHost: Map<string, Child>;
  /** Answers by the reference of the question; undefined while one is awaited. */
  private readonly replies = new Map<string, DecisionReply | undefined>();

  constructor(carried: readonly Child[] = []) {
    this.byHost = new Map(carried.map((child) => [child.host, child]));
  }

  list(): Child[] {
    return [...this.byHost.values()];
  }

  started(host: string, workflowId: string): void {
    this.byHost.set(host, { host, workflowId, state: 'running' });
  }

  ended(host: string, state: 'done' | 'failed'): void {
    const child = this.byHost.get(host);
    if (child !== undefined) this.byHost.set(host, { ...child, state });
  }

  running(host: string): Child | undefined {
    const child = this.byHost.get(host);
    return child?.state === 'running' ? child : undefined;
  }

  /** Passes a decision on, and waits for what the child says to it: a workflow cannot send an update. */
  async ask({ workflowId, host }: Child, decision: unknown): Promise<DecisionReply> {
    const reference = uuid4();
    this.replies.set(reference, undefined);
    await tell(workflowId, passedDecisionSignal, { decision, reference });
    await condition(() => this.replies.get(reference) !== undefined || this.running(host) === undefined);
    const reply = this.replies.get(reference);
    this.replies.delete(reference);
    return reply ?? { accepted: false, why: `the join of ${host} ended before it could take a decision` };
  }

  replied(reference: string, reply: DecisionReply): void {
    if (this.replies.has(reference)) this.replies.set(reference, reply);
  }
}
