import { componentsOf, type Component } from '../cluster/components/index.js';
import { nodeChoices } from '../cluster/components/kube-proxy.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import { hostByName } from '../cluster/topology.js';
import { activity } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ActivityDependencies } from './dependencies.js';
import { PkiError } from './certificates/ensure-pki.js';
import type { Content } from './content.js';
import { applyHostState, planHostState } from './host-state/apply-host-state.js';
import { withText } from './host-state/content.js';
import { asFinding } from './inspection.js';
import { inspectForDeployment } from './preflight/inspect-host.js';
import { RemoteError } from './ssh/errors.js';

/** A host that restarts, or a connection that breaks, ends no deployment before it has begun. */
const REACH_ATTEMPTS = 4;

/** Observe, act and verify on one host over SSH. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function hostActivities({ contexts, log }: ActivityDependencies) {
  return {
    /**
     * Looks without touching. A host that cannot be reached, and has not come back after a few attempts, is a finding
     * and not a failure, so that all are told at once.
     */
    inspectHost: activity(
      log,
      async ({ signal, attempt }, reference: SpecReference, name: string): Promise<HostInspection> => {
        const context = await contexts.get(reference);
        try {
          return await inspectForDeployment(context, name, attempt < REACH_ATTEMPTS, signal);
        } catch (error) {
          if (error instanceof RemoteError && error.retryable && attempt < REACH_ATTEMPTS) throw error;
          return asFinding(name, error);
        }
      },
    ),

    /** Brings one component on one host to its desired state, and sees that it works. */
    applyComponent: activity(
      log,
      async ({ signal, progress }, reference: SpecReference, name: string, component: Component) => {
        const context = await contexts.get(reference);
        const facts = await context.facts(name, signal);
        const state = context.desiredState(component, name, facts);
        const { changes } = await applyHostState(context.host(name), state, {
          content: context.resolver,
          packages: await context.packages(state.packages, facts, signal),
          journal: context.journal,
          signal,
          onProgress: progress,
          // Before the act, so that what an attempt changed and did not live to tell is in the log too.
          onChanges: (differences) => log.info({ host: name, component, changes: differences }, 'component changing'),
        });
        log.info({ host: name, component, changed: changes.length }, 'component applied');
        return {
          changed: changes.length,
          note: changes.length === 0 ? 'nothing to change' : `${changes.length} changed`,
        };
      },
    ),

    listHosts: activity(log, async (_execution, reference: SpecReference) => {
      const { spec } = await contexts.get(reference);
      return { hosts: spec.hosts.map(({ name }) => name) };
    }),

    /** The differences that deploy-ha would remove from one host; the same description, read instead of applied. */
    planHost: activity(log, async ({ signal, progress }, reference: SpecReference, name: string) => {
      const context = await contexts.get(reference);
      const facts = await context.facts(name, signal);
      // What two components want, such as a directory, is changed by whichever comes first.
      const changes = new Map<string, { component: Component; what: string; why: string }>();
      const host = hostByName(context.spec, name);
      for (const component of componentsOf(context.spec, host)) {
        progress(component);
        const state = context.desiredState(component, name, facts);
        const differences = await planHostState(context.host(name), state, {
          content: withText(orNotYetMade(context.content)),
          signal,
        });
        for (const { what, why } of differences) {
          if (!changes.has(what)) changes.set(what, { component, what, why });
        }
      }
      return { host: name, notes: nodeChoices(context.spec, host, facts), changes: [...changes.values()] };
    }),
  };
}

/** Content that is not there yet, such as a certificate before the first deployment, differs from whatever a host has. */
function orNotYetMade(content: Content): Pick<Content, 'resolve'> {
  return {
    resolve: async (wanted) => {
      try {
        return await content.resolve(wanted);
      } catch (error) {
        if (!(error instanceof PkiError)) throw error;
        return { sha256: 'not made yet', size: 0, open: () => Buffer.alloc(0) };
      }
    },
  };
}
