import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  startChild,
} from '@temporalio/workflow';
import type { HostAudit } from '../cluster/benchmark.js';
import type { LeaseHolders } from '../cluster/leases.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import { milestones, type Milestone } from '../cluster/operations/add-node.js';
import { reliesOnOthers, type DeployStep } from '../cluster/operations/deploy-ha.js';
import { brief, long, patient } from './activities.js';
import { addNode } from './add-node.js';
import { applyComponent } from './components.js';
import type { StepOutcome, Window } from './engine/dag.js';
import type { Handlers } from './engine/handlers.js';
import type { Continued } from './engine/continuation.js';
import { Run } from './engine/run.js';
import { nodeWorkflowId, reachedSignal, type DeployInput } from './messages.js';
import { preparationHandlers } from './preparation.js';

export interface DeployResult {
  readonly kubernetes: string;
  readonly nodes: readonly { readonly name: string; readonly ready: boolean; readonly version: string }[];
  readonly etcd: { readonly members: number; readonly leader: string };
  readonly leases: LeaseHolders;
  /** Path on the worker. */
  readonly kubeconfig: string;
  /** Number of things changed on hosts and in the cluster; 0 for a run that found all as it should be. */
  readonly changed: number;
  /** The seed's own checks of pods, Service, NodePort and DNS. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  /** Every host against the CIS benchmark; empty where the lock file has no kube-bench. */
  readonly audits: readonly HostAudit[];
}

type DeployRun = Run<DeployInput, DeployStep, Facts>;

/** What a deployment remembers besides its steps. */
interface Facts {
  readonly inspections: HostInspection[];
  checks: DeployResult['checks'];
  readonly audits: HostAudit[];
}

/** Builds the cluster of a spec, or finishes building it, or finds that there is nothing to do. */
export async function deployHa(continued: Continued<DeployInput, DeployStep, Facts>): Promise<DeployResult> {
  const run = new Run<DeployInput, DeployStep, Facts>('deploy-ha', continued, {
    inspections: [],
    checks: [],
    audits: [],
  });
  const { input, facts } = run;

  // Asked once every host has been looked at.
  let known: ReadonlySet<string> | undefined;
  const members = (): ReadonlySet<string> =>
    (known ??= new Set(facts.inspections.filter(({ member }) => member === true).map(({ host }) => host)));
  const handlers: Handlers<DeployStep> = {
    ...preparationHandlers(input, facts.inspections),
    component: (step) => applyComponent(step, input, run.inTurn),
    'etcd-health': ({ title }) => brief.checkEtcd.executeWithOptions({ summary: title }, [input]),
    manifests: ({ title, name }) => brief.applyManifests.executeWithOptions({ summary: title }, [input, name]),
    'control-plane': ({ title }) => patient.awaitControlPlane.executeWithOptions({ summary: title }, [input]),
    controllers: ({ title }) => patient.awaitControllers.executeWithOptions({ summary: title }, [input]),
    kubeconfig: ({ title }) => brief.writeKubeconfig.executeWithOptions({ summary: title }, [input]),
    join: ({ title, host }) => join(run, title, host),
    verify: async ({ title }) => {
      const verified = await long.verifyCluster.executeWithOptions({ summary: title }, [input]);
      facts.checks = verified.checks;
      return verified;
    },
    audit: async ({ title, host }) => {
      const { attempts, ...audit } = await long.auditHost.executeWithOptions({ summary: title }, [input, host]);
      facts.audits.push(audit);
      return { attempts, changed: 0, note: `${audit.passed} passed, ${audit.failed.length} failed` };
    },
  };

  await run.perform(async () => (await brief.planDeployment(input)).steps, handlers, {
    reliesOnOthers,
    window: (step) => (step.kind === 'join' ? joinWindow(step.host, members()) : undefined),
  });
  const cluster = await brief.describeCluster(input);
  const audits = facts.audits.toSorted((a, b) => (a.host < b.host ? -1 : 1));
  return { ...cluster, changed: run.changed(), checks: facts.checks, audits };
}

/** Joins at once: what waits for people holds no slot of a worker, but each has a history, a cache entry and a place here. */
const JOINS_AT_ONCE = 50;

/** Of nodes that are members, whose programs may be restarted, at most this part is touched at once. */
const MEMBERS_AT_ONCE = 1 / 4;

/** How many nodes are brought to their desired state at once: new ones together, members by and by. */
function joinWindow(host: string, members: ReadonlySet<string>): Window {
  return members.has(host)
    ? { group: 'members', size: Math.min(JOINS_AT_ONCE, Math.max(1, Math.floor(members.size * MEMBERS_AT_ONCE))) }
    : { group: 'joins', size: JOINS_AT_ONCE };
}

/** Joins a node by a child of its own, and waits for its end even when the deployment is cancelled. */
async function join(run: DeployRun, title: string, host: string): Promise<StepOutcome> {
  const workflowId = nodeWorkflowId(run.input.cluster, host);
  const newest = getExternalWorkflowHandle(workflowId);
  // A milestone is the step of that name: done, or skipped by somebody who knows better.
  const given = milestones.filter((milestone) => run.isOver(milestone));
  let running = true;
  let state: 'done' | 'failed' = 'failed';
  run.children.started(host, workflowId);
  // Temporal sends the cancellation of a child to its first run: it is lost when that run has continued as new.
  CancellationScope.current().cancelRequested.catch(async () => {
    if (running) await CancellationScope.nonCancellable(() => newest.cancel()).catch(() => undefined);
  });
  const tellReached = async (milestone: Milestone): Promise<void> => {
    await condition(() => run.isOver(milestone) || !running);
    if (running) await newest.signal(reachedSignal, milestone);
  };
  try {
    const child = await startChild(addNode, {
      workflowId,
      args: [{ ...run.input, host, reached: given }],
      staticSummary: title,
      // An abort of the deployment lets its nodes end what they are at, cleanly. The server applies this when the
      // deployment continues as new too (temporalio/temporal, service/history/transfer_queue_active_task_executor.go,
      // processCloseExecution, spares a reset only), and a handle does not outlive its run: so a deployment continues
      // as new only while no join runs.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    });
    // A join that waited by itself would ask the control plane again and again, once a node. One that has ended, or a
    // deployment that is cancelled, needs no word any more.
    for (const milestone of milestones) if (!given.includes(milestone)) tellReached(milestone).catch(() => undefined);
    const result = await child.result();
    state = 'done';
    return { attempts: 1, changed: result.changed };
  } finally {
    running = false;
    run.children.ended(host, state);
  }
}
