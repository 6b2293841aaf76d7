import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCertificateRequest } from '../../../activities/certificates/csr.js';
import { etcdctl } from '../../../cluster/components/etcd.js';
import type { LabRun } from '../harness.js';
import { CLUSTER } from './disturbed-run.js';

/** Lines about the cluster and its state store, by what they are about; sorted. */
export interface ClusterPicture {
  /** Name, id and peer address of each member. */
  readonly etcd: readonly string[];
  /** For which node, who asked for a certificate, and what became of it. */
  readonly requests: readonly string[];
  /** Kind, name and generation. */
  readonly objects: readonly string[];
  readonly pods: readonly string[];
  readonly nodes: readonly string[];
  /** Every generation of every secret in the state store. */
  readonly secrets: readonly string[];
  /** Bootstrap tokens. */
  readonly tokens: readonly string[];
}

interface Listed {
  readonly kind: string;
  readonly type?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly spec?: {
    readonly request?: string;
    readonly username?: string;
    readonly taints?: readonly { readonly key: string }[];
  };
  readonly status?: {
    readonly certificate?: string;
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

const kinds = [
  ...['namespaces', 'deployments', 'replicasets', 'daemonsets', 'statefulsets', 'services', 'configmaps', 'secrets'],
  ...['serviceaccounts', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings', 'jobs', 'apiservices'],
];

/** Looks at everything in the cluster that a deployment may have to do with. */
export async function clusterPicture(lab: LabRun, master: string): Promise<ClusterPicture> {
  const kubectl = async (what: string): Promise<Listed[]> => {
    const text = await lab.asOperator(master, `kubectl get ${what} -A -o json`);
    return (JSON.parse(text) as { items: Listed[] }).items;
  };
  const members = await lab.onHost(master, `${etcdctl('https://127.0.0.1:2379')} member list`);
  const objects = await kubectl(kinds.join(','));
  return {
    etcd: members
      .split('\n')
      .filter((line) => line !== '')
      .sort(),
    requests: (await kubectl('certificatesigningrequests')).map(request).sort(),
    objects: objects
      .filter((item) => !isToken(item))
      .map(object)
      .sort(),
    pods: (await kubectl('pods')).map(pod).sort(),
    nodes: (await kubectl('nodes')).map(node).sort(),
    secrets: await storedSecrets(lab.home),
    tokens: objects.filter(isToken).map(object),
  };
}

function isToken({ type }: Listed): boolean {
  return type === 'bootstrap.kubernetes.io/token';
}

function request({ spec, status }: Listed): string {
  const conditions =
    (status?.conditions ?? [])
      .map(({ type }) => type)
      .sort()
      .join(' ') || 'Pending';
  const { subject } = parseCertificateRequest(Buffer.from(spec?.request ?? '', 'base64').toString());
  const node = subject.commonName.replace('system:node:', '');
  return `${node}, asked by ${spec?.username ?? ''}: ${conditions}${status?.certificate === undefined ? '' : ', issued'}`;
}

function object({ kind, type, metadata: { namespace = '', name, generation = 0 } }: Listed): string {
  // The token controller gives such a secret a random ending.
  const plain = type === 'kubernetes.io/service-account-token' ? name.replace(/-[a-z0-9]{5}$/, '') : name;
  return `${kind} ${namespace}/${plain} generation ${generation}`;
}

function pod({ metadata: { namespace = '', name, ownerReferences = [] }, status }: Listed): string {
  const owner = ownerReferences.map((of) => `${of.kind} ${of.name}`).join(', ') || name;
  return `${namespace} pod of ${owner}: ${status?.phase ?? ''}`;
}

function node({ metadata: { name, labels = {} }, spec, status }: Listed): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown';
  const taints = (spec?.taints ?? []).map(({ key }) => key).join(' ');
  return `${name}: Ready ${ready}, taints [${taints}], labels ${JSON.stringify(labels)}`;
}

async function storedSecrets(home: string): Promise<string[]> {
  const directory = join(home, 'clusters', CLUSTER, 'pki');
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(directory.length + 1))
    .sort();
}
