import { isGrpcServiceError, ServiceError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { noApprovals, type ApprovalState } from '../workflows/engine/approvals.js';
import type { StepRecord } from '../workflows/engine/dag.js';
import { clusterWorkflowId, statusQuery, type RunStatus } from '../workflows/messages.js';

/** A run of a cluster with what its children say of themselves. */
export interface WholeStatus extends Omit<RunStatus, 'children'> {
  readonly workflowId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, ... */
  readonly state: string;
  readonly retries: readonly Retry[];
}

/** Something that failed and is tried again, without anybody's help so far. */
export interface Retry {
  readonly attempt: number;
  /** Nothing has failed: what is waited for is not there yet. */
  readonly waits: boolean;
  /** Why the attempt before failed. */
  readonly problem: string;
}

/** Longest time that a server may take to answer; a query waits for its worker that long. */
const ANSWER_MS = 10_000;

/** The server answers, but no worker does; a run waits for one. */
export class NoWorkerError extends Error {
  constructor(readonly state: string) {
    super('no worker answers; start one (npm run worker, or docker compose up)');
  }
}

/** Asks the newest run of a cluster, and every workflow that it started, for their status. */
export async function wholeStatus(client: Client, cluster: string): Promise<WholeStatus> {
  return client.withDeadline(Date.now() + ANSWER_MS, () => ask(client, cluster));
}

async function ask(client: Client, cluster: string): Promise<WholeStatus> {
  const workflowId = clusterWorkflowId(cluster);
  const handle = client.workflow.getHandle(workflowId);
  const description = await handle.describe();
  const root = await handle.query(statusQuery).catch(async (error: unknown) => {
    if (isGrpcServiceError(error) || error instanceof ServiceError) {
      // Whoever describes a run needs no worker: when the server still does, it is the worker that is silent.
      const described = await client.withDeadline(Date.now() + ANSWER_MS, () => handle.describe());
      throw new NoWorkerError(described.status.name);
    }
    throw error;
  });
  const children = await Promise.all(
    root.children.map(async ({ workflowId: child, running }) => {
      const of = client.workflow.getHandle(child);
      try {
        if (!running) return { ...ended(await of.query(statusQuery)), retries: [] };
        const [said, description] = await Promise.all([of.query(statusQuery), of.describe()]);
        return { ...said, retries: retriesIn(description) };
      } catch {
        // It has only just been started, or has just ended: its parent knows.
        return { steps: [] as readonly StepRecord[], approvals: noApprovals, interventions: [], retries: [] };
      }
    }),
  );
  const { children: _children, ...rest } = root;
  return {
    ...rest,
    workflowId,
    state: description.status.name,
    retries: [...retriesIn(description), ...children.flatMap(({ retries }) => retries)],
    steps: [...root.steps, ...children.flatMap(({ steps }) => steps)],
    interventions: [root, ...children].flatMap(({ interventions }) => interventions),
    approvals: allApprovals([root, ...children].map(({ approvals }) => approvals)),
  };
}

function allApprovals(of: readonly ApprovalState[]): ApprovalState {
  return {
    pending: of.flatMap(({ pending }) => pending),
    decided: of.flatMap(({ decided }) => decided),
    refused: of.flatMap(({ refused }) => refused),
    refusedCount: of.reduce((sum, { refusedCount }) => sum + refusedCount, 0),
  };
}

function retriesIn({ raw }: WorkflowExecutionDescription): Retry[] {
  return (raw.pendingActivities ?? []).flatMap(({ attempt, lastFailure }) => {
    const problem = lastFailure?.message ?? '';
    const waits = lastFailure?.applicationFailureInfo?.type === 'StillWaiting';
    return problem === '' ? [] : [{ attempt: attempt ?? 0, problem, waits }];
  });
}

/** A workflow that has ended waits for nothing and nobody, wherever its steps were. */
function ended({ steps, interventions }: RunStatus): Pick<RunStatus, 'steps' | 'approvals' | 'interventions'> {
  return {
    steps: steps.map((step) =>
      step.state === 'running' || step.state === 'held' ? { ...step, state: 'waiting' } : step,
    ),
    approvals: noApprovals,
    interventions,
  };
}
