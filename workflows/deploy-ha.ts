import { executeChild, ParentClosePolicy } from '@temporalio/workflow';
import type { LeaseHolders } from '../cluster/leases.js';
import type { HostInspection } from '../cluster/preflight.js';
import type { Step } from '../cluster/steps.js';
import { brief, long } from './activities.js';
import { addNode } from './add-node.js';
import type { StepOutcome, StepRecord } from './dag.js';
import { nodeWorkflowId, type DeployInput } from './messages.js';
import { Run } from './run.js';
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
}

/** Builds the cluster of a spec, or finishes building it, or finds that there is nothing to do. */
export async function deployHa(input: DeployInput): Promise<DeployResult> {
  const run = new Run<Step>('deploy-ha', input.cluster);
  const steps = await brief.planDeployment(input);
  const inspections: HostInspection[] = [];
  let checks: DeployResult['checks'] = [];

  const perform = async (step: Step): Promise<StepOutcome> => {
    const { action } = step;
    switch (action.kind) {
      case 'join': {
        const workflowId = nodeWorkflowId(input.cluster, action.host);
        let ended: readonly StepRecord[] = [];
        run.startedChild(action.host, workflowId);
        try {
          const result = await executeChild(addNode, {
            workflowId,
            args: [{ ...input, host: action.host }],
            staticSummary: step.title,
            // An abort of the deployment lets its nodes end what they are at, cleanly.
            parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
          });
          ended = result.steps;
          return { attempts: 1, changed: result.changed };
        } finally {
          run.endedChild(action.host, ended);
        }
      }
      case 'verify': {
        const verified = await long.verifyCluster.executeWithOptions({ summary: step.title }, [input]);
        checks = verified.checks;
        return verified;
      }
      default:
        return performCommon(step, input, inspections);
    }
  };

  await run.perform(steps, perform);
  const cluster = await brief.describeCluster(input);
  const all = run.steps();
  const changed = all.filter(({ id }) => !id.startsWith('join:')).reduce((sum, step) => sum + step.changed, 0);
  return { ...cluster, steps: all, changed, checks };
}
