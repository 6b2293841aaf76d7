import type { Probe } from '../../cluster/desired-state.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { call, script } from './shell.js';

const verifyFunctions = String.raw`
# probe SECONDS COMMAND: asked twice a second, here on the host, so that waiting costs no round trips
probe() {
  deadline=$(($(date +%s) + $1))
  while :; do
    left=$((deadline - $(date +%s)))
    [ "$left" -gt 0 ] || left=1
    output=$(timeout "$left" sh -c "$2" 2>&1) && return
    [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 0.5
  done
  echo "$output"
  fail "not true within $1 s$([ -z "$output" ] || echo ": $(echo "$output" | tail -n 1)")"
}
`;

/** What the way to the host may add to the time of a probe. */
const ROUND_TRIP_MARGIN_MS = 15_000;

/**
 * Waits until every probe is true, one after the other, each within its own time.
 *
 * @throws RemoteError that names the first probe that is not true, and the last line that it printed.
 */
export async function verifyHost(
  host: RemoteHost,
  probes: readonly Probe[],
  options: { readonly signal?: AbortSignal | undefined; readonly onProgress?: ((text: string) => void) | undefined },
): Promise<void> {
  for (const { title, command, timeoutSeconds } of probes) {
    options.onProgress?.(`waiting: ${title}`);
    await host.run({
      title: `verify "${title}"`,
      command: 'sh -s',
      stdin: script(verifyFunctions, [call('probe', timeoutSeconds, command)]),
      timeoutMs: timeoutSeconds * 1000 + ROUND_TRIP_MARGIN_MS,
      signal: options.signal,
    });
  }
}
