import type { Description } from '../artifacts.js';
import { bootstrapRbac } from './bootstrap-rbac.js';
import { coredns } from './coredns.js';
import { flannel } from './flannel.js';
import type { Manifest } from './manifest.js';
import { metricsServer } from './metrics-server.js';

/** Every set of objects that deploy-ha applies. */
export const manifestSets = ['bootstrap-rbac', 'flannel', 'coredns', 'metrics-server'] as const;

export type ManifestSet = (typeof manifestSets)[number];

/** Label that says which set an object belongs to, so that what a newer set has no more can be told. */
export const SET_LABEL = 'ha-kubernetes/set';

/** Kinds of which any set has, or had, objects. */
export const appliedKinds: readonly (readonly [apiVersion: string, kind: string])[] = [
  ['apiregistration.k8s.io/v1', 'APIService'],
  ['apps/v1', 'DaemonSet'],
  ['apps/v1', 'Deployment'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
  ['v1', 'ConfigMap'],
  ['v1', 'Secret'],
  ['v1', 'Service'],
  ['v1', 'ServiceAccount'],
];

/** The objects of one set, in the order in which they are applied. */
export function manifestSet(set: ManifestSet, description: Description): Manifest[] {
  return described(set, description).map((manifest) => ({
    ...manifest,
    metadata: { ...manifest.metadata, labels: { ...manifest.metadata.labels, [SET_LABEL]: set } },
  }));
}

function described(set: ManifestSet, description: Description): Manifest[] {
  switch (set) {
    case 'bootstrap-rbac':
      return bootstrapRbac();
    case 'flannel':
      return flannel(description);
    case 'coredns':
      return coredns(description);
    case 'metrics-server':
      return metricsServer(description);
  }
}
