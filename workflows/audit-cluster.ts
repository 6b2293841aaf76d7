import type { HostAudit } from '../cluster/benchmark.js';
import type { SpecReference } from '../cluster/spec.js';
import { looks } from './activities.js';

const { auditHost, listHosts } = looks;

/** Every host against the CIS benchmark. Changes nothing, so it may run beside anything. */
export async function auditCluster(reference: SpecReference): Promise<HostAudit[]> {
  const { hosts } = await listHosts(reference);
  return Promise.all(
    hosts.map(async (host) => {
      const { attempts: _attempts, ...audit } = await auditHost.executeWithOptions(
        { summary: `Audit ${host} against the CIS benchmark` },
        [reference, host],
      );
      return audit;
    }),
  );
}
