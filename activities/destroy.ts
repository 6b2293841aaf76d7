import { allComponents } from '../cluster/components/index.js';
import type { HostState } from '../cluster/desired-state.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import { judgeRemoval } from '../cluster/preflight/removal.js';
import { Report } from '../cluster/preflight/report.js';
import { destroySteps } from '../cluster/operations/destroy.js';
import type { SpecReference } from '../cluster/spec.js';
import { activity } from './activity.js';
import { removalChoice, valid } from './arguments.js';
import { authorityDigests } from './certificates/authority-digests.js';
import type { ClusterContext } from './cluster-context.js';
import type { ActivityDependencies } from './dependencies.js';
import { readJournal, removeHostState } from './host-state/removal.js';
import { asFinding, lookAtHost } from './inspection.js';
import { preflightScript } from './preflight/look.js';

/** How a person wants a cluster to be removed. */
export interface RemovalChoice {
  /** Deletes etcd's data, also what earlier removals have put aside. */
  readonly deleteData: boolean;
  /** When the removal started, e.g. `20210208T120000Z`: part of the name of what is put aside. */
  readonly stamp: string;
}

/** The way back: from a host of a cluster to what it was before. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function removalActivities({ contexts, log }: ActivityDependencies) {
  return {
    planDestruction: activity(log, async (_execution, reference: SpecReference) => ({
      steps: destroySteps((await contexts.get(reference)).spec),
    })),

    /** Looks without touching. A host that cannot be reached is a finding, so that all are told at once. */
    inspectForRemoval: activity(
      log,
      async ({ signal }, reference: SpecReference, name: string): Promise<HostInspection> => {
        const context = await contexts.get(reference);
        try {
          return await inspect(context, name, signal);
        } catch (error) {
          return asFinding(name, error);
        }
      },
    ),

    /** Brings one host back to what its undo journal says that it was. */
    removeFromHost: activity(
      log,
      async ({ signal, progress }, reference: SpecReference, name: string, choice: RemovalChoice) => {
        const { deleteData, stamp } = valid(removalChoice, choice);
        const context = await contexts.get(reference);
        const { changed, kept, unknown } = await removeHostState(
          context.host(name),
          await states(context, name, signal),
          {
            journal: context.journal,
            deleteData,
            stamp,
            signal,
            onProgress: progress,
          },
        );
        log.info({ host: name, changed, kept, unknown }, 'the cluster was removed from a host');
        const aside = kept.map((path) => `; data is kept in ${path}`).join('');
        const left = unknown.length === 0 ? '' : `; ${notUnderstood(unknown)}`;
        return { changed, kept, note: (changed === 0 ? 'nothing to undo' : `${changed} things undone${aside}`) + left };
      },
    ),

    removeKubeconfig: activity(log, async (_execution, reference: SpecReference) => {
      const { store } = await contexts.get(reference);
      const removed = await store.removeKubeconfig();
      return { changed: removed ? 1 : 0, note: removed ? 'removed' : 'there is none' };
    }),
  };
}

async function inspect(context: ClusterContext, name: string, signal: AbortSignal): Promise<HostInspection> {
  const stdout = await lookAtHost(context, name, preflightScript({ units: [] }), signal);
  const { cluster } = await readJournal(context.host(name), context.journal, { signal });
  const problems = judgeRemoval(context.spec, new Report(stdout), await authorityDigests(context.store.pki), cluster);
  return { host: name, problems, notes: [cluster === undefined ? 'nothing to undo' : `part of ${cluster}`] };
}

/** For a person, who may want to look at what these lines are about. */
function notUnderstood(lines: readonly string[]): string {
  const [first = ''] = lines;
  return `${lines.length} line(s) of the host's journal are not understood and were left alone, the first is ${JSON.stringify(first.slice(0, 200))}`;
}

/** Every component's description: a host may have had roles that it has no more. */
async function states(context: ClusterContext, name: string, signal: AbortSignal): Promise<HostState[]> {
  const facts = await context.facts(name, signal);
  return allComponents.map((component) => context.desiredState(component, name, facts));
}
