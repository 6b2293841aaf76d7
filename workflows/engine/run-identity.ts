import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { clusterWorkflowId, nodeWorkflowId } from '../messages.js';
import { FATAL } from './failures.js';

/**
 * All changes of a cluster share one id, so that Temporal refuses a second one beside the first; a join may be part of
 * such a change. A run under another id would be beside them.
 */
export function requireOwnId(cluster: string): void {
  const { workflowId, parent } = workflowInfo();
  const change = clusterWorkflowId(cluster);
  const isPart = parent?.workflowId === change && workflowId.startsWith(nodeWorkflowId(cluster, ''));
  if (workflowId !== change && !isPart) {
    throw refusedRun(`the workflow id is ${workflowId}, allowed: ${change}; start changes with start-workflow`);
  }
}

/** A run that must not be, whoever started it. */
export function refusedRun(why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(why, FATAL, 'RunRefused');
}
