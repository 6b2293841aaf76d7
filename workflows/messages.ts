import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { LeaseName } from '../cluster/leases.js';
import type { Milestone } from '../cluster/operations/add-node.js';
import type { SpecReference } from '../cluster/spec.js';
import type { StepRecord } from './engine/dag.js';
import type { ApprovalState, Decision, DecisionReply } from './engine/approvals.js';
import type { HostBack, Intervention, Said, StepAnswer } from './engine/steering.js';

/** Names and payloads of everything that clients and workflows say to each other: the only file that both import. */

export type Operation = 'deploy-ha' | 'add-node' | 'failover-drill' | 'destroy' | 'rotate-encryption-key';

export interface DeployInput extends SpecReference {
  /** Overrides the spec's deadline for an approval, in seconds. */
  readonly approvalDeadlineSeconds: number;
}

export interface AddNodeInput extends DeployInput {
  readonly host: string;
  /** What the cluster has already of what a join waits for; a join by itself finds out. */
  readonly reached?: readonly Milestone[];
}

export interface DrillInput extends SpecReference {
  /** Lease whose holder is taken away. */
  readonly lease: LeaseName;
}

export interface DestroyInput extends SpecReference {
  /** Deletes etcd's data instead of putting it aside. */
  readonly deleteData: boolean;
}

export interface Child {
  readonly host: string;
  readonly workflowId: string;
  readonly state: 'running' | 'done' | 'failed';
}

/** What the `status` query answers, for any workflow of a cluster. */
export interface RunStatus {
  readonly operation: Operation;
  readonly cluster: string;
  readonly steps: readonly StepRecord[];
  readonly approvals: ApprovalState;
  /** The newest of what people told the run, and it has done. */
  readonly interventions: readonly Intervention[];
  /** Workflows that this one started; each tells its own steps, also when it has ended. */
  readonly children: readonly Child[];
  /** What the run waits for from a person, other than approvals and held steps. */
  readonly waitingFor?: string;
  /** While the run is about to continue as new, because its history is long: titles of the steps that it waits for. */
  readonly pausing?: readonly string[];
}

/** All changing workflows of a cluster share this id, so that Temporal itself refuses a second one. */
export function clusterWorkflowId(cluster: string): string {
  return `ha-kubernetes/${cluster}`;
}

/** Workflow id of a node's join when it is a child of deploy-ha. */
export function nodeWorkflowId(cluster: string, host: string): string {
  return `${clusterWorkflowId(cluster)}/${host}`;
}

export const TASK_QUEUE = 'ha-kubernetes';

export const statusQuery = defineQuery<RunStatus>('status');
/** A person's decision about a node's certificate request; sendable from the CLI, the Temporal UI and `temporal`. */
export const approveCsrSignal = defineSignal<[Decision]>('approve-csr');
/** The same decision with a typed answer; needs a live worker. */
export const decideCsrUpdate = defineUpdate<DecisionReply, [Decision]>('decide-csr');
export const retryStepSignal = defineSignal<[StepAnswer]>('retry-step');
export const skipStepSignal = defineSignal<[StepAnswer]>('skip-step');
export const abortSignal = defineSignal<[Said]>('abort');
/** A person says that the host of a drill has its power back. */
export const hostBackSignal = defineSignal<[HostBack]>('host-back');

/** The deployment tells a join that the cluster has come so far. */
export const reachedSignal = defineSignal<[Milestone]>('reached');

/** A decision that was sent to a deployment as an update, on its way to the join that it is about. */
export const passedDecisionSignal = defineSignal<[PassedDecision]>('passed-decision');
/** The join's answer to it: a workflow cannot send an update, so it is a signal each way. */
export const decisionReplySignal =
  defineSignal<[{ readonly reference: string; readonly reply: DecisionReply }]>('decision-reply');

export interface PassedDecision {
  readonly decision: unknown;
  /** Names the question in its answer. */
  readonly reference: string;
}
