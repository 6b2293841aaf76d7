import {
  CancellationScope,
  executeChild,
  getExternalWorkflowHandle,
  ParentClosePolicy,
  patched,
} from '@temporalio/workflow';
import type { HostAudit } from '../cluster/benchmark.js';
import type { LeaseHolders } from '../cluster/leases.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import { reliesOnOthers, type Step } from '../cluster/steps.js';
import { brief, long } from './activities.js';
import { addNode } from './add-node.js';
import type { StepOutcome, StepRecord } from './dag.js';
import { nodeWorkflowId, type DeployInput } from './messages.js';
import { Run, type Continued } from './run.js';
import { performCommon } from './steps.js';

export interface DeployResult {
  readonly kubernetes: string;
  readonly nodes: readonly { readonly name: string; readonly ready: boolean; readonly version: string }[];
  readonly etcd: { readonly members: number; readonly leader: string };
  readonly leases: LeaseHolders;
  /** Path on the worker. */
  readonly kubeconfig: string;
  readonly steps: readonly StepRecord[];
  /** Number of things changed on hosts and in the cluster; 0 for a run that found all as it should be. */
  readonly changed: number;
  /** The seed's own checks of pods, Service, NodePort and DNS. */
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  /** Every host against the CIS benchmark; empty where the lock file has no kube-bench. */
  readonly audits: readonly HostAudit[];
}

type DeployRun = Run<DeployInput, Step, Facts>;

/** What a deployment remembers besides its steps. */
interface Facts {
  readonly inspections: HostInspection[];
  checks: DeployResult['checks'];
  readonly audits: HostAudit[];
}

/** Builds the cluster of a spec, or finishes building it, or finds that there is nothing to do. */
export async function deployHa(continued: Continued<DeployInput, Step, Facts>): Promise<DeployResult> {
  const run = new Run<DeployInput, Step, Facts>('deploy-ha', continued, { inspections: [], checks: [], audits: [] });
  const { input, facts } = run;

  const perform = async (step: Step): Promise<StepOutcome> => {
    const { action } = step;
    switch (action.kind) {
      case 'join':
        return join(run, step, action.host);
      case 'verify': {
        const verified = await long.verifyCluster.executeWithOptions({ summary: step.title }, [input]);
        facts.checks = verified.checks;
        return verified;
      }
      case 'audit': {
        const { attempts, ...audit } = await long.auditHost.executeWithOptions({ summary: step.title }, [
          input,
          action.host,
        ]);
        facts.audits.push(audit);
        return { attempts, changed: 0, note: `${audit.passed} passed, ${audit.failed.length} failed` };
      }
      default:
        return performCommon(step, input, facts.inspections);
    }
  };

  await run.perform(() => brief.planDeployment(input), perform, reliesOnOthers);
  const cluster = await brief.describeCluster(input);
  const all = run.steps();
  const changed = all.filter(({ id }) => !id.startsWith('join:')).reduce((sum, step) => sum + step.changed, 0);
  const audits = facts.audits.toSorted((a, b) => (a.host < b.host ? -1 : 1));
  return { ...cluster, steps: all, changed, checks: facts.checks, audits };
}

/** Joins a node by a child of its own, and waits for its end even when the deployment is cancelled. */
async function join(run: DeployRun, step: Step, host: string): Promise<StepOutcome> {
  const workflowId = nodeWorkflowId(run.input.cluster, host);
  let ended: readonly StepRecord[] | undefined;
  let running = true;
  run.startedChild(host, workflowId);
  // Temporal sends the cancellation of a child to its first run: it is lost when that run has continued as new.
  CancellationScope.current().cancelRequested.catch(async () => {
    if (!running || !patched('cancel-newest-run-of-join')) return;
    const newest = getExternalWorkflowHandle(workflowId);
    await CancellationScope.nonCancellable(() => newest.cancel()).catch(() => undefined);
  });
  try {
    const result = await executeChild(addNode, {
      workflowId,
      args: [{ ...run.input, host }],
      staticSummary: step.title,
      // An abort of the deployment lets its nodes end what they are at, cleanly. The server applies this when the
      // deployment continues as new too (temporalio/temporal, service/history/transfer_queue_active_task_executor.go,
      // processCloseExecution, spares a reset only), and a handle does not outlive its run: so a deployment continues
      // as new only while no join runs.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    });
    ended = result.steps;
    return { attempts: 1, changed: result.changed };
  } finally {
    running = false;
    run.endedChild(host, ended);
  }
}
