import type { ClusterSpec, SpecReference } from '../cluster/spec.js';
import { clusterWorkflowId, TASK_QUEUE } from '../workflows/messages.js';
import { snapshot } from './snapshot.js';
import { withTemporal } from './temporal.js';

/**
 * Runs a workflow that only looks at a cluster, beside whatever changes it, and returns what it saw.
 *
 * @param name - the last part of its workflow id: of one name, one runs at a time
 */
export async function look<W extends (reference: SpecReference) => Promise<unknown>>(
  spec: ClusterSpec,
  workflow: string,
  name: string,
): Promise<Awaited<ReturnType<W>>> {
  const reference = await snapshot(spec);
  const seen: unknown = await withTemporal((client) =>
    client.workflow.execute(workflow, {
      workflowId: `${clusterWorkflowId(spec.name)}/${name}`,
      taskQueue: TASK_QUEUE,
      args: [reference],
    }),
  );
  return seen as Awaited<ReturnType<W>>;
}
