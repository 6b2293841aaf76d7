import { BENCH_ARTIFACT } from '../cluster/benchmark.js';
import { addNodeSteps, type JoinStep } from '../cluster/operations/add-node.js';
import { deploySteps, type DeployStep } from '../cluster/operations/deploy-ha.js';
import { destroySteps, type DestroyStep } from '../cluster/operations/destroy.js';
import { rotationSteps, type RotationStep } from '../cluster/operations/rotate-encryption-key.js';
import { hostByName } from '../cluster/topology.js';
import { PreconditionError } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ActivityDependencies } from './dependencies.js';

/** The DAGs, drawn on the worker because the spec is there and does not travel. */
export interface PlanActivities {
  planDeployment(reference: SpecReference): Promise<DeployStep[]>;
  planNode(reference: SpecReference, host: string): Promise<JoinStep[]>;
  planDestruction(reference: SpecReference): Promise<DestroyStep[]>;
  planRotation(reference: SpecReference): Promise<RotationStep[]>;
}

export function planActivities({ contexts }: ActivityDependencies): PlanActivities {
  return {
    async planDeployment(reference) {
      const { spec, lock } = await contexts.get(reference);
      return deploySteps(spec, { audit: lock.artifacts.some(({ name }) => name === BENCH_ARTIFACT) });
    },
    async planNode(reference, name) {
      const { spec } = await contexts.get(reference);
      const host = hostByName(spec, name);
      if (!host.roles.includes('node')) throw new PreconditionError(`${name} does not have the role node in the spec`);
      return addNodeSteps(spec, host);
    },
    async planDestruction(reference) {
      return destroySteps((await contexts.get(reference)).spec);
    },
    async planRotation(reference) {
      return rotationSteps((await contexts.get(reference)).spec);
    },
  };
}
