import {
  CancelledFailure,
  WorkflowFailedError,
  type Client,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { seconds } from '../cluster/duration.js';
import type { LeaseName } from '../cluster/leases.js';
import type { ClusterSpec } from '../cluster/spec.js';
import { hostByName } from '../cluster/topology.js';
import type { StepRecord } from '../workflows/engine/dag.js';
import type * as workflows from '../workflows/index.js';
import { clusterWorkflowId, TASK_QUEUE, type DeployInput } from '../workflows/messages.js';
import { auditLines } from './audit.js';
import { UserError } from './errors.js';
import { tell, writeJson } from './output.js';
import { watch } from './progress.js';
import { StatusReader } from './run-status.js';
import { snapshot } from './snapshot.js';
import { explainStart, operator, uiAddress, withTemporal, type RunMemo } from './temporal.js';

export interface FollowOptions {
  readonly json?: string | true;
  readonly detach?: true;
}

/** Starts deploy-ha, follows it, and says what came of it. */
export async function deployHa(spec: ClusterSpec, options: FollowOptions): Promise<void> {
  await change<typeof workflows.deployHa>(spec, 'deployHa', [await deployInput(spec)], options, (result, run) => ({
    text: [
      result.changed === 0 ? 'nothing had to be changed' : `${result.changed} things were changed`,
      `nodes: ${result.nodes.map(({ name, ready, version }) => `${name} ${ready ? 'Ready' : 'not Ready'} ${version}`).join(', ')}`,
      `etcd: ${result.etcd.members} members, ${result.etcd.leader} leads`,
      `checks: ${result.checks.filter(({ ok }) => ok).length} of ${result.checks.length} passed`,
      ...auditLines(result.audits),
      `kubeconfig: ${result.kubeconfig}`,
    ],
    json: { ...result, ...run },
  }));
}

/** Starts add-node for one host, follows it, and says what came of it. */
export async function addNode(spec: ClusterSpec, host: string, options: FollowOptions): Promise<void> {
  if (!spec.hosts.some(({ name }) => name === host)) {
    throw new UserError(
      `${host} is no host of this file; its hosts are ${spec.hosts.map(({ name }) => name).join(', ')}`,
    );
  }
  if (!hostByName(spec, host).roles.includes('node')) {
    throw new UserError(`${host} has roles ${hostByName(spec, host).roles.join(', ')}; add-node needs the role node`);
  }
  const input = { ...(await deployInput(spec)), host };
  await change<typeof workflows.addNode>(spec, 'addNode', [input], options, (result, run) => ({
    text: [result.changed === 0 ? `${host} is a member already` : `${host} is Ready`],
    json: { host, ...result, ...run },
  }));
}

/** Starts a failover drill, follows it, and says what was measured. */
export async function failoverDrill(spec: ClusterSpec, lease: LeaseName, options: FollowOptions): Promise<void> {
  const input = { ...(await snapshot(spec)), lease };
  await change<typeof workflows.failoverDrill>(spec, 'failoverDrill', [input], options, (result, run) => ({
    text: [
      `${result.victim} was powered off; its leases moved after ${result.leaseMoveSeconds.toFixed(1)} s`,
      ...Object.entries(result.after).map(
        ([name, holder]) => `${name}: ${result.before[name as LeaseName]} -> ${holder}`,
      ),
      result.nodesNotReady.length === 0
        ? 'no node left Ready'
        : `nodes that left Ready meanwhile: ${result.nodesNotReady.join(', ')}`,
      `${result.victim} is back, all is as before`,
    ],
    json: { ...result, ...run },
  }));
}

/** Starts destroy, follows it, and says what came of it. */
export async function destroy(spec: ClusterSpec, deleteData: boolean, options: FollowOptions): Promise<void> {
  const input = { ...(await snapshot(spec)), deleteData };
  await change<typeof workflows.destroy>(spec, 'destroy', [input], options, (result, run) => ({
    text: [
      result.changed === 0 ? 'nothing had to be changed' : `${result.changed} things were undone`,
      ...result.hosts.map(({ host, changed }) => `${host}: ${changed === 0 ? 'was clean' : `${changed} undone`}`),
      ...result.hosts.flatMap(({ host, kept }) => kept.map((path) => `data of ${host} is kept there in ${path}`)),
    ],
    json: { ...result, ...run },
  }));
}

/** Starts the rotation of the key that encrypts Secrets, follows it, and says what came of it. */
export async function rotateEncryptionKey(spec: ClusterSpec, options: FollowOptions): Promise<void> {
  const input = await snapshot(spec);
  await change<typeof workflows.rotateEncryptionKey>(spec, 'rotateEncryptionKey', [input], options, (result, run) => ({
    text: ['every Secret is encrypted with a new key, and the old one is gone'],
    json: { ...result, ...run },
  }));
}

/** The snapshot, with the spec's own deadline for an approval. */
async function deployInput(spec: ClusterSpec): Promise<DeployInput> {
  return { ...(await snapshot(spec)), approvalDeadlineSeconds: seconds(spec.approvals.deadline) };
}

interface RunFacts {
  readonly seconds: number;
  readonly ui: string;
  /** Of the run and of everything that it has started. */
  readonly steps: readonly StepRecord[];
}

async function change<W extends (...args: never[]) => Promise<unknown>>(
  spec: ClusterSpec,
  workflow: string,
  args: Parameters<W>,
  options: FollowOptions,
  report: (result: Awaited<ReturnType<W>>, run: RunFacts) => { text: string[]; json: unknown },
): Promise<void> {
  await withTemporal(async (client) => {
    const workflowId = clusterWorkflowId(spec.name);
    const ui = uiAddress(workflowId);
    const handle = await start(client, spec.name, workflow, args);
    tell(`${workflow} of ${spec.name} started by ${operator()}; history: ${ui}`);
    if (options.detach === true) return;
    const started = Date.now();
    const { result, steps } = await follow(client, handle, spec.name);
    const facts = { seconds: (Date.now() - started) / 1000, ui, steps };
    const { text, json } = report(result as Awaited<ReturnType<W>>, facts);
    tell(...text.map((line) => `  ${line}`));
    await writeJson(options.json, json);
  });
}

async function start(
  client: Client,
  cluster: string,
  workflow: string,
  args: readonly unknown[],
): Promise<WorkflowHandleWithFirstExecutionRunId> {
  try {
    return await client.workflow.start(workflow, {
      workflowId: clusterWorkflowId(cluster),
      taskQueue: TASK_QUEUE,
      args: [...args],
      staticSummary: `${workflow} of ${cluster}`,
      memo: { operation: operationOf(workflow, args), startedBy: operator() } satisfies RunMemo,
    });
  } catch (error) {
    throw await explainStart(client, error, cluster);
  }
}

/** As a user writes it: `add-node node03`. */
function operationOf(workflow: string, [input]: readonly unknown[]): string {
  const command = workflow.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const { host } = (input ?? {}) as { host?: string };
  return host === undefined ? command : `${command} ${host}`;
}

async function follow(
  client: Client,
  handle: WorkflowHandleWithFirstExecutionRunId,
  cluster: string,
): Promise<{ readonly result: unknown; readonly steps: readonly StepRecord[] }> {
  const reader = new StatusReader(client, cluster);
  const status = await watch(() => reader.read(), cluster);
  try {
    return { result: await handle.result(), steps: status?.steps ?? [] };
  } catch (error) {
    if (error instanceof WorkflowFailedError) {
      if (error.cause instanceof CancelledFailure) throw new Error('the run was cancelled in Temporal');
      throw new Error(error.cause?.message ?? error.message);
    }
    throw error;
  }
}
