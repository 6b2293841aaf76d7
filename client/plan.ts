import type { ClusterSpec } from '../cluster/spec.js';
import type { planCluster } from '../workflows/index.js';
import { clusterWorkflowId, TASK_QUEUE } from '../workflows/messages.js';
import { writeJson } from './output.js';
import { snapshot } from './snapshot.js';
import { withTemporal } from './temporal.js';

/** Shows what deploy-ha would change; changes nothing. */
export async function plan(spec: ClusterSpec, json: string | true | undefined): Promise<void> {
  const reference = await snapshot(spec);
  await withTemporal(async (client) => {
    const plans = await client.workflow.execute<typeof planCluster>('planCluster', {
      workflowId: `${clusterWorkflowId(spec.name)}/plan`,
      taskQueue: TASK_QUEUE,
      args: [reference],
    });
    await writeJson(json, plans);
    if (json === true) return;
    for (const { host, changes } of plans) {
      process.stdout.write(`${host}: ${changes.length === 0 ? 'as it should be' : `${changes.length} changes`}\n`);
      for (const { component, what, why } of changes)
        process.stdout.write(`  ${component.padEnd(28)} ${what}: ${why}\n`);
    }
  });
}
