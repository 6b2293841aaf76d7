import { componentsOf } from '../../cluster/components/index.js';
import { nodeChoices, proxyMode } from '../../cluster/components/kube-proxy.js';
import { factsScript, parseFacts, type HostFacts } from '../../cluster/facts.js';
import { judgePreflight } from '../../cluster/preflight/judge.js';
import { callers, judgeCaller, targets } from '../../cluster/preflight/network.js';
import { askedUnits, KUBELET } from '../../cluster/preflight/others.js';
import type { HostInspection } from '../../cluster/preflight/refusals.js';
import { Report } from '../../cluster/preflight/report.js';
import type { ClusterSpec, Host } from '../../cluster/spec.js';
import { hostByName } from '../../cluster/topology.js';
import { NotYetError } from '../activity.js';
import { authorityDigests } from '../certificates/authority-digests.js';
import type { ClusterContext } from '../cluster-context.js';
import { newestRing } from '../encryption/key-ring.js';
import { lookAtHost } from '../inspection.js';
import { RemoteError } from '../ssh/errors.js';
import { preflightScript, reachScript } from './look.js';

/**
 * Looks at one host, and lets another one try to reach it, without touching either.
 *
 * @param mayRetry - whether a host that reaches no other is looked at again, as the others may be restarting
 * @throws NotYetError for such a host; RemoteError when the host cannot be looked at
 */
export async function inspectForDeployment(
  context: ClusterContext,
  name: string,
  mayRetry: boolean,
  signal: AbortSignal,
): Promise<HostInspection> {
  const { spec, store } = context;
  const host = hostByName(spec, name);
  const script = preflightScript({ units: askedUnits, targets: targets(spec, host) });
  const asked = Date.now();
  const stdout = await lookAtHost(context, name, factsScript() + script, signal);
  const answered = Date.now();
  const report = new Report(stdout);
  const facts = parseFacts(stdout);
  const judgement = judgePreflight(
    spec,
    host,
    report,
    {
      authorities: await authorityDigests(store.pki),
      hasEncryptionKey: (await newestRing(store.encryption)) !== undefined,
    },
    sysctlsOf(context, host, facts),
  );
  if (judgement.cutOff.length > 0 && mayRetry) {
    throw new NotYetError(`${name} reaches none of ${judgement.cutOff.join(', ')}`);
  }
  const problems = [...judgement.problems, ...(await callIn(context, host, report, signal))];
  if (facts.machine !== 'x86_64') {
    problems.push(`is a ${facts.machine} machine; the artifact lock has programs for x86_64 (amd64) only`);
  }
  if (host.roles.includes('node')) {
    const { problem } = proxyMode(spec, facts);
    if (problem !== undefined) problems.push(problem);
  }
  const { clockMs, machineId } = judgement;
  return {
    host: name,
    problems,
    notes: [...nodeChoices(spec, host, facts), ...timeNotes(spec, facts), ...judgement.notes],
    member: report.made('unit', KUBELET) && report.unit(KUBELET, 'ActiveState') === 'active',
    // The host read its clock at some moment between the question and the answer.
    clockOffsetMs: clockMs - Math.min(Math.max(clockMs, asked), answered),
    ...(machineId === '' ? {} : { machineId }),
  };
}

/** Whose the clock is, where it is not chrony's. */
function timeNotes({ hostKind }: ClusterSpec, { timeService }: HostFacts): string[] {
  return hostKind === 'machine' && timeService !== undefined ? [`${timeService} keeps its clock, and stays`] : [];
}

/** Every kernel setting that the host's components want. */
function sysctlsOf(context: ClusterContext, host: Host, facts: HostFacts): Record<string, string> {
  const states = componentsOf(context.spec, host).map((component) => context.desiredState(component, host.name, facts));
  return Object.fromEntries(states.flatMap(({ kernel }) => Object.entries(kernel.sysctls)));
}

/** How many hosts are asked to call another before it is left open whether they would get through. */
const CALLERS = 2;

/** Lets a host that will have to reach this one try; which one it is changes from host to host. */
async function callIn(context: ClusterContext, host: Host, own: Report, signal: AbortSignal): Promise<string[]> {
  const { hosts, targets: asked } = callers(context.spec, host);
  const first = context.spec.hosts.indexOf(host);
  for (let next = 0; next < Math.min(CALLERS, hosts.length); next += 1) {
    const caller = hosts[(first + next) % hosts.length];
    if (caller === undefined) break;
    try {
      const stdout = await lookAtHost(context, caller.name, reachScript(asked), signal);
      return judgeCaller(caller.name, asked, new Report(stdout), own);
    } catch (error) {
      // Its own look tells what is wrong with it.
      if (!(error instanceof RemoteError) || error.kind === 'cancelled') throw error;
    }
  }
  return [];
}
