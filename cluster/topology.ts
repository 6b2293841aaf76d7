import { nthAddress } from './network.js';
import type { ClusterSpec, Host, Role } from './spec.js';

/** Port of the API servers. */
export const API_PORT = 6443;

/** Port of the node-local proxy on 127.0.0.1; not 6443, so that a host may be master and node at once. */
export const API_PROXY_PORT = 7443;

/** Port where konnectivity servers wait for agents; the proxy on each node has it too, on 127.0.0.1. */
export const KONNECTIVITY_PORT = 8132;

/** Hosts with a role, in the order of the spec. */
export function hostsWithRole(spec: ClusterSpec, role: Role): Host[] {
  return spec.hosts.filter((host) => host.roles.includes(role));
}

/** Hosts with a part of the cluster's state or control: etcd members and masters, in the order of the spec. */
export function serverHosts(spec: ClusterSpec): Host[] {
  return spec.hosts.filter(({ roles }) => roles.includes('etcd') || roles.includes('control-plane'));
}

/** A name that no host of the spec has. */
export class UnknownHostError extends RangeError {}

/**
 * The host of that name.
 *
 * @throws UnknownHostError
 */
export function hostByName(spec: ClusterSpec, name: string): Host {
  const host = spec.hosts.find((candidate) => candidate.name === name);
  if (host === undefined) {
    throw new UnknownHostError(
      `no host ${name} in cluster ${spec.name}; its hosts are ${spec.hosts.map((h) => h.name).join(', ')}`,
    );
  }
  return host;
}

/**
 * Whether the API server of a host reaches pods and Services through konnectivity: a control-plane host that is no node
 * is not part of the pod network (docs/decisions/konnectivity.md).
 */
export function usesKonnectivity({ roles }: Pick<Host, 'roles'>): boolean {
  return roles.includes('control-plane') && !roles.includes('node');
}

/** Hosts with a konnectivity server, to which every node's agent connects. */
export function konnectivityServers(spec: ClusterSpec): Host[] {
  return spec.hosts.filter(usesKonnectivity);
}

/** Whether a host opens connections to pods and Services for the API servers of other hosts. */
export function hasKonnectivityAgent(spec: ClusterSpec, { roles }: Pick<Host, 'roles'>): boolean {
  return roles.includes('node') && konnectivityServers(spec).length > 0;
}

/** What the field tells control-plane nodes by: the key of their label and of their taint. */
export const CONTROL_PLANE_KEY = 'node-role.kubernetes.io/control-plane';

/** Whether a node keeps pods away that do not tolerate {@link CONTROL_PLANE_KEY} (as kubeadm's masters do). */
export function isTainted(spec: ClusterSpec, { roles }: Pick<Host, 'roles'>): boolean {
  return roles.includes('node') && roles.includes('control-plane') && !spec.controlPlane.schedulable;
}

/** `<name>.<domain>`. */
export function fullName(spec: ClusterSpec, host: Pick<Host, 'name'>): string {
  return `${host.name}.${spec.domain}`;
}

/** Name under which clients reach the API, e.g. `kubernetes-api.mykernel.cn`. */
export function apiName(spec: ClusterSpec): string {
  return spec.apiEndpoint.name ?? `kubernetes-api.${spec.domain}`;
}

/** Cluster IP of the `kubernetes` Service: the first of the service network (10.64.0.1 in the seed). */
export function firstServiceAddress(spec: ClusterSpec): string {
  return nthAddress(spec.network.services, 1);
}

/** Cluster IP of DNS: the tenth of the service network (10.64.0.10 in the seed). */
export function dnsServiceAddress(spec: ClusterSpec): string {
  return nthAddress(spec.network.services, 10);
}

/** URL of one API server, for its own host's components and for the deployer. */
export function apiServerUrl(host: Pick<Host, 'address'>): string {
  return `https://${host.address}:${API_PORT}`;
}

/** Number of members that must agree in a group of n. */
export function quorum(members: number): number {
  return Math.floor(members / 2) + 1;
}
