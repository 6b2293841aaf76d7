import type { HostAudit } from '../cluster/benchmark.js';
import type { ClusterSpec } from '../cluster/spec.js';
import type { auditCluster } from '../workflows/index.js';
import { look } from './look.js';
import { print, writeJson } from './output.js';

/**
 * Checks every host against the CIS benchmark and shows what was found.
 *
 * @throws an error if a check failed, so that the exit code says so.
 */
export async function audit(spec: ClusterSpec, json: string | true | undefined): Promise<void> {
  const audits = await look<typeof auditCluster>(spec, 'auditCluster', 'audit');
  await writeJson(json, audits);
  if (json !== true) print(...auditLines(audits));
  const failed = audits.reduce((sum, { failed }) => sum + failed.length, 0);
  if (failed > 0) throw new Error(`${failed} check(s) of the benchmark failed`);
}

/** One line a host, and one for each check that did not pass. */
export function auditLines(audits: readonly HostAudit[]): string[] {
  return audits.flatMap(({ host, benchmark, passed, failed, warned }) => [
    `${host}: ${benchmark}: ${passed} passed, ${failed.length} failed, ${warned.length} to judge`,
    ...failed.map(({ id, title }) => `  FAIL ${id} ${title}`),
    ...warned.map(({ id, title, reason }) => `  WARN ${id} ${reason ?? title}`),
  ]);
}
