import type { IssuedContent } from '../desired-state.js';
import { CONTROL_PLANE_KEY } from '../topology.js';

/** A Kubernetes object as it is applied: server-side, by field manager {@link FIELD_MANAGER}. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/**
 * A value of a manifest that is no part of the description: the PEM of a certificate or key of the cluster's PKI. Who
 * applies the object puts it in.
 */
export class IssuedPem {
  /** @param encoding - `base64` where the API takes bytes */
  constructor(
    readonly content: IssuedContent,
    readonly encoding: 'text' | 'base64',
  ) {}
}

/** Owner of the deployer's fields in server-side apply. */
export const FIELD_MANAGER = 'ha-kubernetes';

/** A ClusterRoleBinding of one role to one subject. */
export function clusterRoleBinding(name: string, role: string, subject: Readonly<Record<string, string>>): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  };
}

/** What the cluster's own services put up with: where every node is a master, they run there too. */
export const tolerations = [
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
  { key: CONTROL_PLANE_KEY, effect: 'NoSchedule' },
];

/** A subject of group `name`. */
export function group(name: string): Record<string, string> {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name };
}

/** The user `name`. */
export function user(name: string): Record<string, string> {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name };
}

/** A subject of service account `name`. */
export function serviceAccount(namespace: string, name: string): Record<string, string> {
  return { kind: 'ServiceAccount', namespace, name };
}
