import { isGrpcServiceError, ServiceError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import { noApprovals, type ApprovalState } from '../workflows/engine/approvals.js';
import { clusterWorkflowId, statusQuery, type Child, type RunStatus } from '../workflows/messages.js';

/** A run of a cluster with what its children say of themselves. */
export interface WholeStatus extends Omit<RunStatus, 'children'> {
  readonly workflowId: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, ... */
  readonly state: string;
  readonly retries: readonly Retry[];
  /** Children that have ended, and whose steps the next look reads. */
  readonly unread: number;
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

/** How many children that have ended are asked in one look, so that a look at a thousand joins does not last. */
const ENDED_PER_LOOK = 50;

type Said = Pick<RunStatus, 'steps' | 'approvals' | 'interventions'> & { readonly retries: readonly Retry[] };

/** Reads what the newest run of a cluster, and what it has started, say of themselves; remembers those that have ended. */
export class StatusReader {
  private readonly ended = new Map<string, Said>();

  constructor(
    private readonly client: Client,
    private readonly cluster: string,
  ) {}

  /** @throws NoWorkerError when the server answers, and no worker */
  read(): Promise<WholeStatus> {
    return this.client.withDeadline(Date.now() + ANSWER_MS, () => this.ask());
  }

  private async ask(): Promise<WholeStatus> {
    const workflowId = clusterWorkflowId(this.cluster);
    const handle = this.client.workflow.getHandle(workflowId);
    const description = await handle.describe();
    const root = await handle.query(statusQuery).catch(async (error: unknown) => {
      if (isGrpcServiceError(error) || error instanceof ServiceError) {
        // Whoever describes a run needs no worker: when the server still does, it is the worker that is silent.
        const described = await this.client.withDeadline(Date.now() + ANSWER_MS, () => handle.describe());
        throw new NoWorkerError(described.status.name);
      }
      throw error;
    });
    const over = root.children.filter(({ state }) => state !== 'running');
    const unread = over.filter(({ workflowId: child }) => !this.ended.has(child));
    await Promise.all(unread.slice(0, ENDED_PER_LOOK).map((child) => this.readEnded(child)));
    const running = await Promise.all(
      root.children.filter(({ state }) => state === 'running').map((child) => this.readRunning(child)),
    );
    const children = [...over.flatMap(({ workflowId: child }) => this.ended.get(child) ?? []), ...running];
    const { children: _children, ...rest } = root;
    return {
      ...rest,
      workflowId,
      state: description.status.name,
      unread: Math.max(0, unread.length - ENDED_PER_LOOK),
      retries: [...retriesIn(description), ...children.flatMap(({ retries }) => retries)],
      steps: [...root.steps, ...children.flatMap(({ steps }) => steps)],
      interventions: [root, ...children].flatMap(({ interventions }) => interventions),
      approvals: allApprovals([root, ...children].map(({ approvals }) => approvals)),
    };
  }

  private async readEnded({ workflowId }: Child): Promise<void> {
    const said = await this.client.workflow
      .getHandle(workflowId)
      .query(statusQuery)
      .then(ended, () => nothing);
    this.ended.set(workflowId, said);
  }

  private async readRunning({ workflowId }: Child): Promise<Said> {
    // What was read of an earlier try of the same host is over.
    this.ended.delete(workflowId);
    const of = this.client.workflow.getHandle(workflowId);
    try {
      const [said, description] = await Promise.all([of.query(statusQuery), of.describe()]);
      return { ...said, retries: retriesIn(description) };
    } catch {
      // It has only just been started, or has just ended: its parent knows.
      return nothing;
    }
  }
}

const nothing: Said = { steps: [], approvals: noApprovals, interventions: [], retries: [] };

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
function ended({ steps, approvals, interventions }: RunStatus): Said {
  return {
    steps: steps.map((step) =>
      step.state === 'running' || step.state === 'held' ? { ...step, state: 'waiting' } : step,
    ),
    approvals: { ...approvals, pending: [] },
    interventions,
    retries: [],
  };
}
