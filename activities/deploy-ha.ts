import type { KubernetesObject } from '@kubernetes/client-node';
import { appliedKinds, manifestSet, SET_LABEL, type ManifestSet } from '../cluster/addons/index.js';
import type { Manifest } from '../cluster/addons/manifest.js';
import { BOOTSTRAP_GROUP, bootstrapRbac } from '../cluster/addons/bootstrap-rbac.js';
import type { ArtifactFile } from '../cluster/desired-state.js';
import { BENCH_ARTIFACT } from '../cluster/benchmark.js';
import { componentsOf, componentState } from '../cluster/components/index.js';
import { deploySteps } from '../cluster/operations/deploy-ha.js';
import { activity, NotYetError, waitingActivity } from './activity.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ClusterContext } from './cluster-context.js';
import { leaseHolders, nodeStates, notYet, requireEveryApiServer, until, waitFor } from './control-plane.js';
import type { ActivityDependencies } from './dependencies.js';
import { etcdMembers, requireWholeEtcd } from './etcd.js';
import { withIssued } from './kubernetes/issued-manifest.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { restart } from './service-route.js';
import { checkCluster } from './verification.js';

/** What a deployment does to the cluster as a whole. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function deploymentActivities({ contexts, log }: ActivityDependencies) {
  return {
    /** The plan, drawn on the worker because the spec is there and does not travel. */
    planDeployment: activity(log, async (_execution, reference: SpecReference) => {
      const { spec, lock } = await contexts.get(reference);
      return { steps: deploySteps(spec, { audit: lock.artifacts.some(({ name }) => name === BENCH_ARTIFACT) }) };
    }),

    /** Brings every program and image of the lock file to the worker, checked. */
    fetchArtifacts: activity(log, async ({ signal, progress }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      const files = artifactFiles(context);
      await context.catalog.resolveAll(files, {
        signal,
        onProgress: ({ artifact, received, total }) => {
          progress(
            `${artifact}: ${Math.round(received / 1e6)} of ${total === undefined ? '?' : Math.round(total / 1e6)} MB`,
          );
        },
      });
      return { changed: 0, note: `${files.length} files are here and match the lock file` };
    }),

    checkEtcd: activity(log, async ({ signal }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      const members = await until(() => requireWholeEtcd(context, signal), {
        deadlineMs: 60_000,
        intervalMs: 500,
        signal,
      });
      return { changed: 0, note: `${members.healthy.length} members, ${members.leader ?? 'none'} leads` };
    }),

    /** Waits until every API server answers and nodes may ask for certificates. */
    awaitControlPlane: waitingActivity(log, async ({ signal }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      const nodesMayAsk = async (): Promise<void> => {
        await requireEveryApiServer(context);
        for (const binding of bootstrapRbac()) {
          if ((await context.kubernetes.read(binding)) === undefined) {
            throw new NotYetError(`${BOOTSTRAP_GROUP} may not ask for certificates yet`);
          }
        }
      };
      await waitFor(() => nodesMayAsk().catch(notYet), signal);
      return { changed: 0, note: 'every API server answers' };
    }),

    /** Waits for the first thing that the active controller manager does everywhere: a default service account. */
    awaitControllers: waitingActivity(log, async ({ signal }, reference: SpecReference) => {
      const { kubernetes } = await contexts.get(reference);
      const account = {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { namespace: 'kube-system', name: 'default' },
      };
      const haveActed = async (): Promise<void> => {
        if ((await kubernetes.read(account)) === undefined)
          throw new NotYetError('no controller has done anything yet');
      };
      await waitFor(() => haveActed().catch(notYet), signal);
      return { changed: 0, note: 'the controllers run' };
    }),

    applyManifests: activity(log, async (_execution, reference: SpecReference, set: ManifestSet) => {
      const context = await contexts.get(reference);
      const { kubernetes, content } = context;
      const manifests = manifestSet(set, context);
      let changed = 0;
      // In order: a namespace comes before what is in it.
      for (const manifest of manifests) {
        if (await kubernetes.apply(await withIssued(manifest, (wanted) => content.pem(wanted)))) changed += 1;
      }
      const removed = await prune(kubernetes, set, manifests);
      const notes = [
        ...(changed === 0 ? [] : [`${changed} objects applied`]),
        ...(removed === 0 ? [] : [`${removed} objects removed that an earlier version had`]),
      ];
      return { changed: changed + removed, note: notes.join(', ') || 'nothing to change' };
    }),

    verifyCluster: activity(log, async ({ signal, progress }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      const { checks, stuck } = await checkCluster(context, signal, progress);
      const failed = checks.filter(({ ok }) => !ok);
      if (failed.length > 0) {
        const restarted = stuck === undefined ? '' : `; ${await restart(context, stuck, signal)}`;
        throw new NotYetError(
          `failed: ${failed.map(({ name, detail }) => `${name} (${detail})`).join('; ')}${restarted}`,
        );
      }
      return { changed: 0, note: `${checks.length} checks passed`, checks };
    }),

    /** What the cluster is now, for reports. */
    describeCluster: activity(log, async ({ signal }, reference: SpecReference) => {
      const context = await contexts.get(reference);
      const [nodes, etcd, leases] = await Promise.all([
        nodeStates(context.kubernetes),
        etcdMembers(context, signal),
        leaseHolders(context.kubernetes),
      ]);
      return {
        kubernetes: context.spec.kubernetes,
        kubeconfig: context.store.kubeconfigPath,
        nodes: nodes.map(({ name, ready, version }) => ({ name, ready, version })),
        etcd: { members: etcd.healthy.length, leader: etcd.leader ?? '' },
        leases,
      };
    }),
  };
}

/** Removes what an earlier version of a set applied and this one has no more; returns how many. */
async function prune(kubernetes: KubernetesApi, set: ManifestSet, manifests: readonly Manifest[]): Promise<number> {
  const nameOf = ({ kind, metadata }: Pick<Manifest, 'kind' | 'metadata'>): string =>
    `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
  const wanted = new Set(manifests.map(nameOf));
  const found = await Promise.all(
    appliedKinds.map(([apiVersion, kind]) =>
      kubernetes.list<KubernetesObject & Manifest>(apiVersion, kind, { label: `${SET_LABEL}=${set}` }),
    ),
  );
  const over = found.flat().filter((object) => !wanted.has(nameOf(object)));
  for (const object of over) await kubernetes.remove(object);
  return over.length;
}

/** Every file of the lock file that some host needs. */
function artifactFiles({ spec, lock }: ClusterContext): ArtifactFile[] {
  // None of them depends on what a host is.
  const facts = { distribution: '', machine: '', resolvConf: '', ipvs: false, nftables: false, cgroup: 'v2' } as const;
  const hostOf = new Map(spec.hosts.flatMap((host) => componentsOf(spec, host).map((component) => [component, host])));
  return [...hostOf].flatMap(([component, host]) => {
    const { files, images } = componentState(component, { spec, host, lock, facts });
    return [
      ...files.flatMap(({ content }) => (content.kind === 'artifact' ? [content.artifact] : [])),
      ...images.map(({ archive }) => archive),
    ];
  });
}
