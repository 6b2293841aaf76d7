import type { HostInspection } from '../cluster/preflight/refusals.js';
import type { ClusterContext } from './cluster-context.js';
import { RemoteError } from './ssh/errors.js';

const LOOK_TIMEOUT_MS = 30_000;

/** What a script that changes nothing prints on a host. */
export async function lookAtHost(
  context: ClusterContext,
  name: string,
  script: string,
  signal: AbortSignal,
): Promise<string> {
  const { stdout } = await context.host(name).run({
    title: 'look at the host',
    command: 'sh -s',
    stdin: script,
    timeoutMs: LOOK_TIMEOUT_MS,
    signal,
  });
  return stdout;
}

/** A host that cannot be looked at is a finding and not a failure, so that all are told at once; other errors stay. */
export function asFinding(host: string, error: unknown): HostInspection {
  if (!(error instanceof RemoteError) || error.kind === 'cancelled') throw error;
  return { host, problems: [error.shortMessage], notes: [] };
}
