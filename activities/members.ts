import { componentsOf, isRolled, type Component } from '../cluster/components/index.js';
import type { HostState } from '../cluster/desired-state.js';
import { serverHosts } from '../cluster/topology.js';
import { bounded } from '../cluster/bounded.js';
import { NotYetError } from './activity.js';
import type { ClusterContext } from './cluster-context.js';
import { call, script } from './host-state/shell.js';

/**
 * The members of the groups that a cluster lives by: etcd, the API servers, the controllers. Contract 7: before one of
 * them is touched, the others are well.
 */

const LOOK_TIMEOUT_MS = 30_000;

const functions = String.raw`
# runs UNIT...: whether each of them runs
runs() {
  for unit in "$@"; do systemctl -q is-active "$unit" || return; done
}

# asked once: a member that needs a second look is not well yet
holds() {
  timeout 10 sh -c "$2" >/dev/null 2>&1 || echo "not true: $1"
}
`;

/** Whether the member on a host serves now. */
export async function isWell(
  context: ClusterContext,
  name: string,
  component: Component,
  signal: AbortSignal,
): Promise<boolean> {
  const [problem] = await look(context, name, [component], component, signal);
  return problem === undefined;
}

/**
 * Throws unless every other member is well: those of the same kind run and serve, and so does whatever runs of another
 * kind, for an API server that has lost its etcd member serves nobody, and one that was never started harms nobody.
 *
 * @throws NotYetError that names the first one which is not
 */
export async function requireOthersWell(
  context: ClusterContext,
  name: string,
  component: Component,
  signal: AbortSignal,
): Promise<void> {
  const others = serverHosts(context.spec).filter((host) => host.name !== name);
  const problems = await Promise.all(
    others.map((host) =>
      look(context, host.name, componentsOf(context.spec, host).filter(isRolled), component, signal),
    ),
  );
  const [first] = problems.flat();
  if (first !== undefined) throw new NotYetError(`not touched while another member is not well: ${first}`);
}

/** What is not well of some components on one host; `kind` must run, the others may be stopped. */
async function look(
  context: ClusterContext,
  name: string,
  components: readonly Component[],
  kind: Component,
  signal: AbortSignal,
): Promise<string[]> {
  const facts = await context.facts(name, signal);
  const calls = components.flatMap((component) => {
    const state = context.desiredState(component, name, facts);
    return member(state, component === kind);
  });
  const { stdout } = await context.host(name).run({
    title: 'see which members are well',
    command: 'sh -s',
    stdin: script(functions, calls),
    timeoutMs: LOOK_TIMEOUT_MS,
    signal,
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => bounded(`${name}: ${line}`));
}

function member({ units, ready }: HostState, mustRun: boolean): string[] {
  const running = units.filter((unit) => unit.running).map((unit) => unit.name);
  const probes = ready.map(({ title, command }) => call('holds', title, command));
  const otherwise = mustRun ? call('echo', `not running: ${running.join(', ')}`) : ':';
  return [`if ${call('runs', ...running)}; then`, ...probes, `else`, otherwise, 'fi'];
}
