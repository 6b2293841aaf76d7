import { hostname, userInfo } from 'node:os';
import { Client, Connection, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { temporalServer } from '../temporal.js';
import { clusterWorkflowId } from '../workflows/messages.js';
import { UserError } from './errors.js';

const CONNECT_TIMEOUT = '5 seconds';

/** Where Temporal's own pages are, for people to look at. */
export function uiAddress(workflowId: string): string {
  const base = process.env['HA_KUBERNETES_UI'] ?? 'http://127.0.0.1:8233';
  return `${base}/namespaces/${process.env['TEMPORAL_NAMESPACE'] ?? 'default'}/workflows/${encodeURIComponent(workflowId)}`;
}

/** Who acts, for the audit trail; self-asserted unless Temporal itself authenticates its clients. */
export function operator(): string {
  return `${userInfo().username}@${hostname()}`;
}

/** Connects as the environment and temporal.toml say (envconfig), does something, and disconnects. */
export async function withTemporal<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const { connectionOptions, namespace, unreachable } = temporalServer();
  const connection = await Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT }).catch(() => {
    throw new UserError(unreachable);
  });
  try {
    return await use(new Client({ connection, identity: operator(), namespace }));
  } finally {
    await connection.close();
  }
}

/** What a run says of itself to whoever is refused because of it; kept by Temporal with the run, over a continue-as-new. */
export interface RunMemo extends Record<string, unknown> {
  /** e.g. `add-node node03` */
  readonly operation: string;
  readonly startedBy: string;
}

/** Says who changes the cluster, when a second change was refused (docs/architecture.md, contract 6). */
export async function explainStart(client: Client, error: unknown, cluster: string): Promise<unknown> {
  if (!(error instanceof WorkflowExecutionAlreadyStartedError)) return explain(error, cluster);
  const workflowId = clusterWorkflowId(cluster);
  const { memo, type, runId } = await client.workflow.getHandle(workflowId).describe();
  const { operation = type, startedBy = 'somebody' } = (memo ?? {}) as Partial<RunMemo>;
  // A run that continues as new starts anew for Temporal: the first one tells since when the cluster is held.
  const { startTime } = await client.workflow
    .getHandle(workflowId, await firstRun(client, workflowId, runId))
    .describe();
  return new UserError(
    `cluster ${cluster} is being changed already, one change at a time: ${operation}, started ${startTime.toISOString()} by ${startedBy} (workflow ${workflowId}); watch it: start-workflow status --cluster ${cluster} --watch; or end it: start-workflow abort --cluster ${cluster} --reason ...`,
  );
}

/** The run that a chain of runs began with; its id stands in the first event of each. */
async function firstRun(client: Client, workflowId: string, runId: string): Promise<string> {
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  return started?.firstExecutionRunId ?? runId;
}

/** Turns what Temporal says about a run that exists, or does not, into what a user can do. */
export function explain(error: unknown, cluster: string): unknown {
  if (error instanceof WorkflowNotFoundError) {
    return new UserError(
      `nothing is running or was run for cluster ${cluster}; start with: start-workflow deploy-ha -f cluster.yaml`,
    );
  }
  return error;
}
