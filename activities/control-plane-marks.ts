import { CoreV1Api, PatchStrategy, setHeaderOptions, type V1Node } from '@kubernetes/client-node';
import type { ClusterSpec, Host } from '../cluster/spec.js';
import { CONTROL_PLANE_KEY, isTainted } from '../cluster/topology.js';
import { NotYetError } from './activity.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';

/**
 * Gives a control-plane node the label that tools look for, which a kubelet may not set itself, and the taint that the
 * spec wants or not (https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane).
 * Other labels and taints are somebody else's.
 *
 * @returns whether anything was changed.
 */
export async function ensureControlPlaneMarks(
  kubernetes: KubernetesApi,
  spec: ClusterSpec,
  host: Host,
): Promise<boolean> {
  if (!host.roles.includes('control-plane')) return false;
  const node = await kubernetes.read<V1Node>({ apiVersion: 'v1', kind: 'Node', metadata: { name: host.name } });
  if (node === undefined) throw new NotYetError(`node ${host.name} is gone`);
  const taint = { key: CONTROL_PLANE_KEY, effect: 'NoSchedule' };
  const labelled = node.metadata?.labels?.[CONTROL_PLANE_KEY] === '';
  const taints = node.spec?.taints ?? [];
  const others = taints.filter(({ key, effect }) => key !== taint.key || effect !== taint.effect);
  if (labelled && others.length < taints.length === isTainted(spec, host)) return false;
  // A patch replaces the whole list of taints (atomic, as core/v1 says). With the version that was read, one that somebody
  // else has changed in between is a conflict, and is read again.
  const body = {
    metadata: { labels: { [CONTROL_PLANE_KEY]: '' }, resourceVersion: node.metadata?.resourceVersion },
    spec: { taints: [...others, ...(isTainted(spec, host) ? [taint] : [])] },
  };
  await kubernetes.request(`mark node ${host.name}`, (config) =>
    config
      .makeApiClient(CoreV1Api)
      .patchNode({ name: host.name, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch)),
  );
  return true;
}
