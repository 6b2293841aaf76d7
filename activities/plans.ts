import { destroySteps } from '../cluster/destroy-steps.js';
import { addNodeSteps, deploySteps, type Step } from '../cluster/steps.js';
import { hostByName } from '../cluster/topology.js';
import { PreconditionError } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ActivityDependencies } from './dependencies.js';

/** The DAGs, drawn on the worker because the spec is there and does not travel. */
export interface PlanActivities {
  planDeployment(reference: SpecReference): Promise<Step[]>;
  planNode(reference: SpecReference, host: string): Promise<Step[]>;
  planDestruction(reference: SpecReference): Promise<Step[]>;
}

export function planActivities({ contexts }: ActivityDependencies): PlanActivities {
  return {
    async planDeployment(reference) {
      return deploySteps((await contexts.get(reference)).spec);
    },
    async planNode(reference, name) {
      const { spec } = await contexts.get(reference);
      const host = hostByName(spec, name);
      if (!host.roles.includes('node')) throw new PreconditionError(`${name} does not have the role node in the spec`);
      return addNodeSteps(host);
    },
    async planDestruction(reference) {
      return destroySteps((await contexts.get(reference)).spec);
    },
  };
}
