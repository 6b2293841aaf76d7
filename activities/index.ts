import type { ActivityDependencies } from './dependencies.js';
import { auditActivities } from './audit.js';
import { deploymentActivities } from './deploy-ha.js';
import { drillActivities } from './failover-drill.js';
import { rotationActivities } from './rotate-encryption-key.js';
import { hostActivities } from './hosts.js';
import { nodeActivities } from './add-node.js';
import { removalActivities } from './destroy.js';
import { certificateActivities } from './certificates.js';

/** Everything that a workflow can ask the outside world for. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function createActivities(dependencies: ActivityDependencies) {
  return {
    ...hostActivities(dependencies),
    ...certificateActivities(dependencies),
    ...deploymentActivities(dependencies),
    ...nodeActivities(dependencies),
    ...drillActivities(dependencies),
    ...removalActivities(dependencies),
    ...auditActivities(dependencies),
    ...rotationActivities(dependencies),
  };
}

export type Activities = ReturnType<typeof createActivities>;
