import { nthAddress } from './network.js';
import type { ClusterSpec, Host, Role } from './spec.js';

/** Port of the API servers. */
export const API_PORT = 6443;

/** Port of the node-local proxy on 127.0.0.1; not 6443, so that a host may be master and node at once. */
export const API_PROXY_PORT = 7443;

/** Hosts with a role, in the order of the spec. */
export function hostsWithRole(spec: ClusterSpec, role: Role): Host[] {
  return spec.hosts.filter((host) => host.roles.includes(role));
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
