import type { HostState } from '../../cluster/desired-state.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { call, script } from './shell.js';

const verifyFunctions = String.raw`
# probe SECONDS COMMAND MEND UNIT...: asked twice a second, here on the host, so that waiting costs no round trips. What a
# unit that is not up, or started again, said last is most often why.
probe() {
  seconds=$1 command=$2 mend=$3
  shift 3
  deadline=$(($(date +%s) + seconds))
  while :; do
    left=$((deadline - $(date +%s)))
    [ "$left" -gt 0 ] || left=1
    output=$(timeout "$left" sh -c "$command" 2>&1) && return
    [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 0.5
  done
  echo "$output"
  for unit in "$@"; do
    restarts=$(property NRestarts "$unit")
    ! systemctl -q is-active "$unit" || [ "0$restarts" -gt 0 ] || continue
    said=$(last_words "$unit")
    [ -z "$said" ] || output="$unit: $said"
  done
  mended=
  [ -z "$mend" ] || ! sh -c "$mend" || mended="; done for the next try: $mend"
  fail "not true within $seconds s$([ -z "$output" ] || echo ": $(echo "$output" | tail -n 1)")$mended"
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
  { ready, units }: Pick<HostState, 'ready' | 'units'>,
  options: { readonly signal?: AbortSignal | undefined; readonly onProgress?: ((text: string) => void) | undefined },
): Promise<void> {
  for (const { title, command, timeoutSeconds, mend = '' } of ready) {
    options.onProgress?.(`waiting: ${title}`);
    await host.run({
      title: `verify "${title}"`,
      command: 'sh -s',
      stdin: script(verifyFunctions, [call('probe', timeoutSeconds, command, mend, ...units.map((unit) => unit.name))]),
      timeoutMs: timeoutSeconds * 1000 + ROUND_TRIP_MARGIN_MS,
      signal: options.signal,
    });
  }
}
