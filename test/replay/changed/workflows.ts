import { brief } from '../../../workflows/activities.js';
import { deployHa as today, type DeployResult } from '../../../workflows/deploy-ha.js';
import type { DeployInput } from '../../../workflows/messages.js';

/** deploy-ha as nobody may change it while a deployment runs: it does one thing more before all others. */
export async function deployHa(input: DeployInput): Promise<DeployResult> {
  await brief.describeCluster(input);
  return today(input);
}
