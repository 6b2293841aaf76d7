import type { ClusterSpec } from '../cluster/spec.js';
import type { planCluster } from '../workflows/index.js';
import { look } from './look.js';
import { writeJson } from './output.js';

/** Shows what deploy-ha would change; changes nothing. */
export async function plan(spec: ClusterSpec, json: string | true | undefined): Promise<void> {
  const plans = await look<typeof planCluster>(spec, 'planCluster', 'plan');
  await writeJson(json, plans);
  if (json === true) return;
  for (const { host, changes } of plans) {
    process.stdout.write(`${host}: ${changes.length === 0 ? 'as it should be' : `${changes.length} changes`}\n`);
    for (const { component, what, why } of changes) process.stdout.write(`  ${component.padEnd(28)} ${what}: ${why}\n`);
  }
}
