import { etcdctl, etcdClientUrl } from '../cluster/components/etcd.js';
import { hostsWithRole } from '../cluster/topology.js';
import { NotYetError } from './activity.js';
import type { ClusterContext } from './cluster-context.js';
import type { RemoteHost } from './ssh/connection-pool.js';
import { RemoteError } from './ssh/errors.js';

export interface EtcdMembers {
  readonly healthy: readonly string[];
  readonly unhealthy: readonly string[];
  /** Name of the member that leads, if exactly one does. */
  readonly leader: string | undefined;
}

interface EndpointStatus {
  Endpoint: string;
  Status: { leader: number; header: { member_id: number } };
}

/** Runs on the first etcd host that can be reached; all members are equal. */
export async function onEtcdHost(
  context: ClusterContext,
  run: (host: RemoteHost) => Promise<{ readonly stdout: string }>,
): Promise<string> {
  let unreachable: unknown;
  for (const { name } of hostsWithRole(context.spec, 'etcd')) {
    try {
      return (await run(context.host(name))).stdout;
    } catch (error) {
      if (!(error instanceof RemoteError) || error.kind === 'cancelled') throw error;
      unreachable = error;
    }
  }
  throw unreachable instanceof Error ? unreachable : new NotYetError('no etcd host can be reached');
}

/** What etcd says of itself. */
export async function etcdMembers(context: ClusterContext, signal: AbortSignal): Promise<EtcdMembers> {
  const hosts = hostsWithRole(context.spec, 'etcd');
  const endpoints = hosts.map(etcdClientUrl).join(',');
  const stdout = await onEtcdHost(context, (host) =>
    host.run({
      title: 'ask etcd for its members',
      // A member that does not answer makes etcdctl exit 1, and still prints the others.
      command: `${etcdctl(endpoints)} endpoint status --write-out=json || true`,
      timeoutMs: 30_000,
      signal,
    }),
  );
  // JavaScript rounds 64-bit member ids, so they are compared as the text that etcd wrote.
  const statuses = JSON.parse(stdout.replace(/"(leader|member_id)":(\d+)/g, '"$1":"$2"') || '[]') as EndpointStatus[];
  const answered = new Map(statuses.map((status) => [status.Endpoint, status.Status]));
  const leads = hosts.filter((member) => {
    const status = answered.get(etcdClientUrl(member));
    return status !== undefined && status.leader === status.header.member_id;
  });
  return {
    healthy: hosts.filter((member) => answered.has(etcdClientUrl(member))).map((member) => member.name),
    unhealthy: hosts.filter((member) => !answered.has(etcdClientUrl(member))).map((member) => member.name),
    leader: leads.length === 1 ? leads[0]?.name : undefined,
  };
}

/** {@link etcdMembers}, once all are healthy under one leader; throws NotYetError until then. */
export async function requireWholeEtcd(context: ClusterContext, signal: AbortSignal): Promise<EtcdMembers> {
  const members = await etcdMembers(context, signal);
  if (members.unhealthy.length > 0) throw new NotYetError(`etcd does not answer on ${members.unhealthy.join(', ')}`);
  if (members.leader === undefined) throw new NotYetError('etcd has not elected a leader yet');
  return members;
}
