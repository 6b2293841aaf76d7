import { componentsOf, isRolled, type Component } from '../cluster/components/index.js';
import { nodeChoices } from '../cluster/components/kube-proxy.js';
import type { FileContent, HostState } from '../cluster/desired-state.js';
import type { Change } from '../cluster/host-diff.js';
import { certificatePlan } from '../cluster/pki.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import { hostByName } from '../cluster/topology.js';
import { activity } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ActivityDependencies } from './dependencies.js';
import type { ClusterContext } from './cluster-context.js';
import { dueCertificates, PkiError } from './certificates/ensure-pki.js';
import type { Content } from './content.js';
import { applyHostState, planHostState } from './host-state/apply-host-state.js';
import { withText } from './host-state/content.js';
import { until } from './control-plane.js';
import { isWell, requireOthersWell } from './members.js';
import { asFinding } from './inspection.js';
import { inspectForDeployment } from './preflight/inspect-host.js';
import { RemoteError } from './ssh/errors.js';

/** A host that restarts, or a connection that breaks, ends no deployment before it has begun. */
const REACH_ATTEMPTS = 4;

/** How long one attempt waits for the other members; the retry policy goes on from there. */
const WELL_AGAIN = { deadlineMs: 30_000, intervalMs: 500 };

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

    /**
     * Brings one component on one host to its desired state, and sees that it works. A member that serves is not
     * restarted before its turn; then, not while another one is unwell.
     *
     * @param turn - `any time` changes nothing that waits for its turn, and says so
     */
    applyComponent: activity(
      log,
      async (
        { signal, progress },
        reference: SpecReference,
        name: string,
        component: Component,
        turn: 'its turn' | 'any time',
      ): Promise<StepResult & { waits?: true }> => {
        const context = await contexts.get(reference);
        const facts = await context.facts(name, signal);
        const state = context.desiredState(component, name, facts);
        const beforeChanges = async (changes: readonly Change[]): Promise<void> => {
          if (isRolled(component) && restarts(changes) && (await isWell(context, name, component, signal))) {
            if (turn === 'any time') throw new WaitsForTurn();
            progress('waiting: every other member is well');
            await until(() => requireOthersWell(context, name, component, signal), { ...WELL_AGAIN, signal });
          }
          // Before the act, so that what an attempt changed and did not live to tell is in the log too.
          log.info({ host: name, component, changes }, 'component changing');
        };
        try {
          const { changes } = await applyHostState(context.host(name), state, {
            content: context.resolver,
            packages: await context.packages(state.packages, facts, signal),
            journal: context.journal,
            signal,
            onProgress: progress,
            beforeChanges,
          });
          log.info({ host: name, component, changed: changes.length }, 'component applied');
          return {
            changed: changes.length,
            note: changes.length === 0 ? 'nothing to change' : `${changes.length} changed`,
          };
        } catch (error) {
          if (error instanceof WaitsForTurn) return { changed: 0, note: 'a restart waits for its turn', waits: true };
          throw error;
        }
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
      const host = hostByName(context.spec, name);
      const states = componentsOf(context.spec, host).map(
        (component) => [component, context.desiredState(component, name, facts)] as const,
      );
      const due = await dueOf(
        context,
        states.map(([, state]) => state),
      );
      const content = withText(asDeployed(context.content, due));
      // What two components want, such as a directory, is changed by whichever comes first.
      const changes = new Map<string, PlannedChange>();
      for (const [component, state] of states) {
        progress(component);
        const differences = await planHostState(context.host(name), state, { content, signal });
        const inTurn = isRolled(component) && restarts(differences);
        for (const { kind, what, why } of differences) {
          if (changes.has(what)) continue;
          const renewal = due.get(certificateOf(state, what) ?? '');
          changes.set(what, {
            component,
            what,
            why: renewal ?? why,
            ...(inTurn && kind === 'unit' ? { inTurn } : {}),
          });
        }
      }
      return { host: name, notes: nodeChoices(context.spec, host, facts), changes: [...changes.values()] };
    }),
  };
}

/** One difference of a host. */
interface PlannedChange {
  readonly component: Component;
  readonly what: string;
  readonly why: string;
  /** A member that serves is restarted: after others of its kind, while all of them are well. */
  readonly inTurn?: true;
}

/** Thrown between looking and acting: the member serves, and it is not its turn. */
class WaitsForTurn extends Error {}

/** What a step's activity answers. */
interface StepResult {
  readonly changed: number;
  readonly note: string;
}

/** Whether changes end or restart a program that runs. */
function restarts(changes: readonly Change[]): boolean {
  return changes.some((change) => change.kind === 'unit' && (change.run === 'restart' || change.run === 'stop'));
}

/** The certificate that a file of a component holds, by the name in the PKI plan. */
function certificateOf({ files }: HostState, path: string): string | undefined {
  const content = files.find((file) => file.path === path)?.content;
  return content === undefined ? undefined : issuedName(content);
}

function issuedName(content: FileContent): string | undefined {
  switch (content.kind) {
    case 'certificate':
    case 'kubeconfig':
      return content.certificate;
    case 'private-key':
      return content.key;
    default:
      return undefined;
  }
}

/** Certificates of some states that a deployment issues again, with a sentence about each. */
async function dueOf({ spec, store }: ClusterContext, states: readonly HostState[]): Promise<Map<string, string>> {
  const names = new Set(states.flatMap(({ files }) => files.flatMap(({ content }) => issuedName(content) ?? [])));
  const due = await dueCertificates(store.pki, certificatePlan(spec), names, new Date());
  return new Map([...due].map(([name, reason]) => [name, `certificate ${name} is issued again: ${reason}`]));
}

/** Content as a deployment would find it: what is not there yet, or is issued again, differs from whatever a host has. */
function asDeployed(content: Content, due: ReadonlyMap<string, string>): Pick<Content, 'resolve'> {
  const toBeMade = { sha256: 'not made yet', size: 0, open: () => Buffer.alloc(0) };
  return {
    resolve: async (wanted) => {
      if (due.has(issuedName(wanted) ?? '')) return toBeMade;
      try {
        return await content.resolve(wanted);
      } catch (error) {
        if (!(error instanceof PkiError)) throw error;
        return toBeMade;
      }
    },
  };
}
