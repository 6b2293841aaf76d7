import { execa } from 'execa';
import { leaseNames, type LeaseHolders, type LeaseName } from '../cluster/leases.js';
import { hostByName, hostsWithRole, quorum } from '../cluster/topology.js';
import { activity, NotYetError, PreconditionError, waitingActivity } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import { apiServerReach } from './checks/api-server-reach.js';
import { withApplication } from './checks/running-application.js';
import type { ClusterContext } from './cluster-context.js';
import { leaseHolders, nodeStates, notYet, requireEveryApiServer, until, waitFor } from './control-plane.js';
import type { ActivityDependencies } from './dependencies.js';
import { requireWholeEtcd } from './etcd.js';
import { requireAllowed } from './power-programs.js';
import { scrub } from './secret-shapes.js';
import { RemoteError } from './ssh/errors.js';

const POWER_OFF_DEADLINE_MS = 120_000;
/** A lease lasts 15 s and is tried for every 2 s; dead connections add some (kubernetes-versions, section 6). */
const MOVE_DEADLINE_MS = 180_000;

/** A host is taken away and brought back (seed, S18). */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function drillActivities({ store, contexts, log }: ActivityDependencies) {
  return {
    /** Contract 7: before a control-plane member is touched, all are healthy. */
    checkControlPlane: activity(log, async ({ signal }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      await requireWhole(context, signal);
      return { changed: 0, note: 'every master, etcd member and node is healthy' };
    }),

    findVictim: activity(log, async (_execution, reference: SpecReference, lease: LeaseName) => {
      const { spec, kubernetes } = await contexts.get(reference);
      const holders = await leaseHolders(kubernetes);
      const victim = hostByName(spec, holders[lease]);
      const members = hostsWithRole(spec, 'etcd').length;
      if (victim.roles.includes('etcd') && members - 1 < quorum(members)) {
        throw new PreconditionError(
          `${victim.name} cannot be taken away: ${members - 1} of ${members} etcd members would be left and ${quorum(members)} are needed`,
        );
      }
      if (hostsWithRole(spec, 'control-plane').length < 2) {
        throw new PreconditionError(`${victim.name} cannot be taken away: it is the only master`);
      }
      // Before it is off, for who knows who is there to switch it on.
      if (victim.power !== undefined) await requireAllowed(store.powerProgramsFile, victim.name, victim.power.on);
      return { victim: victim.name, holders, changed: 0, note: `${victim.name} holds ${lease}` };
    }),

    /**
     * Takes the power from a master that holds a lease while all are well. One that does not answer is off already: an
     * earlier attempt has done it.
     */
    powerOff: activity(log, async ({ signal }, reference: SpecReference, victim: string) => {
      const context = await contexts.get(reference);
      if (!(await answers(context, victim, signal))) return { changed: 0, note: `${victim} is off` };
      await requireWhole(context, signal);
      const holders = await leaseHolders(context.kubernetes);
      if (!leaseNames.some((name) => holders[name] === victim)) {
        throw new PreconditionError(`${victim} holds no lease: a drill takes the holder of one away, and nobody else`);
      }
      try {
        await context.host(victim).run({
          title: 'power off',
          command: 'systemctl --no-block poweroff',
          timeoutMs: 20_000,
          signal,
        });
      } catch (error) {
        if (!(error instanceof RemoteError) || !['connection-lost', 'unreachable'].includes(error.kind)) throw error;
      }
      return { changed: 1, note: `${victim} was told to power off` };
    }),

    /** Watches through the other masters until all that the victim held is in other hands and the victim is dark. */
    watchLeasesMove: activity(
      log,
      async ({ signal, progress }, reference: SpecReference, victim: string, before: LeaseHolders, since: string) => {
        const context = await contexts.get(reference);
        const kubernetes = context.kubernetes.without(victim);
        const held = leaseNames.filter((name) => before[name] === victim);
        const notReady = new Set<string>();
        const moved = until(
          async () => {
            const holders = await leaseHolders(kubernetes).catch(notYet);
            for (const { name, ready } of await nodeStates(kubernetes).catch(notYet)) {
              if (!ready && name !== victim) notReady.add(name);
            }
            progress(leaseNames.map((name) => `${name}: ${holders[name]}`).join(', '));
            const still = held.filter((name) => holders[name] === victim);
            if (still.length > 0) throw new NotYetError(`${victim} still holds ${still.join(' and ')}`);
            return { after: holders, leaseMoveSeconds: (Date.now() - Date.parse(since)) / 1000 };
          },
          { deadlineMs: MOVE_DEADLINE_MS, intervalMs: 250, signal },
        );
        const [result] = await Promise.all([moved, untilDark(context, victim, signal)]);
        return { ...result, nodesNotReady: [...notReady] };
      },
    ),

    /** Contract 8: the other masters do without the victim all that it did, the way to pods and webhooks included. */
    checkReach: activity(log, async ({ signal, progress }, reference: SpecReference, victim: string) => {
      const context = await contexts.get(reference);
      const kubernetes = context.kubernetes.without(victim);
      const others = hostsWithRole(context.spec, 'control-plane').filter(({ name }) => name !== victim);
      progress('start the test application');
      const checks = await withApplication(context, kubernetes, { signal, without: victim }, (running) =>
        Promise.all(others.map(({ name }) => apiServerReach(kubernetes, name, running, signal))),
      );
      const failed = checks.filter(({ ok }) => !ok);
      if (failed.length > 0) {
        throw new NotYetError(`failed: ${failed.map(({ name, detail }) => `${name} (${detail})`).join('; ')}`);
      }
      return { changed: 0, note: `${others.length} API servers reach pods, Services and webhooks without ${victim}` };
    }),

    /** By the operator's own command where the spec has one and the worker may run it; else a person does it. */
    powerOn: activity(log, async ({ signal }, reference: SpecReference, victim: string) => {
      const { spec } = await contexts.get(reference);
      const [program, ...args] = hostByName(spec, victim).power?.on ?? [];
      if (program === undefined) return { byCommand: false, changed: 0, note: 'the spec has no power.on for it' };
      await requireAllowed(store.powerProgramsFile, victim, [program, ...args]);
      const { exitCode, stderr } = await execa(program, args, {
        cancelSignal: signal,
        extendEnv: false,
        env: { PATH: process.env['PATH'] },
        timeout: 100_000,
        reject: false,
        stdin: 'ignore',
      });
      if (exitCode !== 0) {
        log.warn({ victim, program, stderr: scrub(stderr) }, 'power.on failed');
        throw new NotYetError(`power.on of ${victim} (${program}) ended with ${exitCode ?? 'no exit code'}`);
      }
      return { byCommand: true, changed: 1, note: `power.on of ${victim} was run` };
    }),

    awaitRecovery: waitingActivity(log, async ({ signal }, reference: SpecReference, victim: string) => {
      const context = await contexts.get(reference);
      await waitFor(() => requireWhole(context, signal).catch(notYet), signal);
      return { changed: 0, note: `${victim} is back; every master, etcd member and node is healthy` };
    }),
  };
}

async function requireWhole(context: ClusterContext, signal: AbortSignal): Promise<void> {
  await Promise.all([requireEveryApiServer(context), requireWholeEtcd(context, signal)]);
  const nodes = await nodeStates(context.kubernetes);
  const broken = nodes.filter(({ ready }) => !ready);
  if (broken.length > 0) throw new NotYetError(`not Ready: ${broken.map(({ name }) => name).join(', ')}`);
}

async function untilDark(context: ClusterContext, victim: string, signal: AbortSignal): Promise<void> {
  await until(
    async () => {
      if (await answers(context, victim, signal)) {
        throw new NotYetError(`${victim} still answers after it was told to power off`);
      }
    },
    { deadlineMs: POWER_OFF_DEADLINE_MS, intervalMs: 1000, signal },
  );
}

/** Whether a host can be reached at all; throws NotYetError for one that is between. */
async function answers(context: ClusterContext, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await context.host(name).run({ title: 'see whether it is off', command: 'true', timeoutMs: 5_000, signal });
    return true;
  } catch (error) {
    if (error instanceof RemoteError && error.kind === 'unreachable') return false;
    if (error instanceof RemoteError && error.kind !== 'cancelled') throw new NotYetError(error.message);
    throw error;
  }
}
