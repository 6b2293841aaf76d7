import type { ActivityDependencies } from './dependencies.js';
import { auditActivities } from './audit.js';
import { clusterActivities } from './cluster.js';
import { drillActivities } from './drill.js';
import { rotationActivities } from './encryption/rotation.js';
import { hostActivities } from './hosts.js';
import { nodeActivities } from './nodes.js';
import { planActivities } from './plans.js';
import { removalActivities } from './removal.js';
import { certificateActivities } from './certificates.js';

/** Everything that a workflow can ask the outside world for. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function createActivities(dependencies: ActivityDependencies) {
  return {
    ...planActivities(dependencies),
    ...hostActivities(dependencies),
    ...certificateActivities(dependencies),
    ...clusterActivities(dependencies),
    ...nodeActivities(dependencies),
    ...drillActivities(dependencies),
    ...removalActivities(dependencies),
    ...auditActivities(dependencies),
    ...rotationActivities(dependencies),
  };
}

export type Activities = ReturnType<typeof createActivities>;
