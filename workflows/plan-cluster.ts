import type { SpecReference } from '../cluster/spec.js';
import { looks } from './activities.js';

const { planHost, listHosts } = looks;

export interface PlannedChange {
  readonly component: string;
  readonly what: string;
  readonly why: string;
  /** A member that serves is restarted: after others of its kind, while all of them are well. */
  readonly inTurn?: true;
}

export interface HostPlan {
  readonly host: string;
  /** What was decided by what the host can do, and why, e.g. the proxy mode. */
  readonly notes: readonly string[];
  readonly changes: readonly PlannedChange[];
}

/** What deploy-ha would change on each host and why. Reads only, so it may run beside anything. */
export async function planCluster(reference: SpecReference): Promise<HostPlan[]> {
  const { hosts } = await listHosts(reference);
  return Promise.all(
    hosts.map((host) =>
      planHost.executeWithOptions({ summary: `See what would change on ${host}` }, [reference, host]),
    ),
  );
}
