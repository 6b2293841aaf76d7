import { CoreV1Api, KubeConfig, VersionApi } from '@kubernetes/client-node';
import { LabError } from '../errors.js';
import { type HostRecord, listHosts } from '../hosts.js';
import type { LabPaths } from '../paths.js';

/** What a run has to know of its cluster. */
export interface Cluster {
  /** e.g. `v1.37.2` */
  readonly kubernetes: string;
  /** IPv4 addresses of its nodes. */
  readonly nodes: readonly string[];
}

/** Asks the cluster that a kubeconfig file leads to. */
export async function lookAtCluster(kubeconfig: string): Promise<Cluster> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const { gitVersion } = await config.makeApiClient(VersionApi).getCode();
  const { items } = await config.makeApiClient(CoreV1Api).listNode();
  const nodes = items.flatMap(({ status }) =>
    (status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : [])),
  );
  if (nodes.length < 2) {
    throw new LabError(`the cluster has ${nodes.length} nodes, and the conformance tests need two at least`);
  }
  return { kubernetes: gitVersion, nodes };
}

/** The hosts of the lab that are the cluster's nodes; none, if it stands elsewhere. */
export async function labNodes({ nodes }: Cluster, paths: LabPaths): Promise<HostRecord[]> {
  return (await listHosts(paths)).filter(({ address }) => nodes.includes(address));
}
