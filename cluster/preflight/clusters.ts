import { ENCRYPTION } from '../components/kube-apiserver.js';
import type { ClusterSpec, Host } from '../spec.js';
import type { Findings, Report } from './report.js';

/** What the state store has of a cluster. */
export interface KnownCluster {
  /** sha256 of the authorities by name; absent where none was made. */
  readonly authorities: ReadonlyMap<string, string>;
  /** Whether the key of the cluster's Secrets is there. */
  readonly hasEncryptionKey: boolean;
}

/** Marks of an earlier cluster, whose authority must be ours. */
const authorityFiles = new Map([
  ['/etc/kubernetes/pki/ca.crt', 'kubernetes-ca'],
  ['/etc/etcd/pki/ca.crt', 'etcd-ca'],
]);

/** Whether an earlier deployment of this very cluster has been here. */
export function isAdopted(
  spec: ClusterSpec,
  report: Report,
  { authorities }: Pick<KnownCluster, 'authorities'>,
): boolean {
  if (report.journal === spec.name || report.journal === '') return true;
  return (
    report.journal === undefined &&
    report.has('authority') &&
    foreignAuthorities(spec, report, authorities).length === 0
  );
}

/** What is left of clusters, this one or others: Kubernetes, etcd's data, and what this project wrote down. */
export function judgeClusters(spec: ClusterSpec, host: Host, report: Report, known: KnownCluster): Findings {
  const adopted = isAdopted(spec, report, known);
  const { journal } = report;
  const problems: string[] = [];
  if (journal !== undefined && journal !== '' && journal !== spec.name) {
    problems.push(
      `is part of cluster ${journal}, not of ${spec.name}; destroy ${journal} first, or take the host out of this file`,
    );
  }
  problems.push(...foreignAuthorities(spec, report, known.authorities));
  if (report.has('etcd-data') && !known.authorities.has('etcd-ca')) {
    problems.push(
      `${report.word('etcd-data')} holds data of another cluster, and the state store of ${spec.name} has no authority for it; restore the state store, or move the data away`,
    );
  } else if (report.has('etcd-data') && !adopted && host.roles.includes('etcd')) {
    problems.push(
      `${report.word('etcd-data')} holds the data of another etcd, upon which this cluster's would start; move it away`,
    );
  }
  for (const [program = '', version = ''] of report.all('runs')) {
    if (version === '' || sameMinor(version, spec.kubernetes)) continue;
    problems.push(
      `its ${program} is ${version} and kubernetes is ${spec.kubernetes}; one minor is not upgraded to another yet; write kubernetes: ${version}, or destroy the cluster first`,
    );
  }
  if (report.has('encryption') && !known.hasEncryptionKey) {
    problems.push(
      `${ENCRYPTION} holds keys that the state store of ${spec.name} does not have; with new ones every Secret would be unreadable; restore the state store`,
    );
  }
  if (!adopted) problems.push(...foreignKubernetes(report, known.authorities));
  return { problems, notes: [] };
}

/** Marks of another cluster than the one whose authorities the store has. */
export function foreignAuthorities(
  spec: ClusterSpec,
  report: Report,
  authorities: ReadonlyMap<string, string>,
): string[] {
  return report
    .all('authority')
    .filter(([path = '', digest]) => authorities.get(authorityFiles.get(path) ?? '') !== digest)
    .map(
      ([path = '']) =>
        `${path} is another cluster's authority than the one in the state store of ${spec.name}; restore that cluster's state store, or clean the host first`,
    );
}

/** A kubelet with a kubeconfig asks for no certificate, and goes where that leads; static pods start with it. */
function foreignKubernetes(report: Report, authorities: ReadonlyMap<string, string>): string[] {
  const kubeconfigs = report
    .all('kubeconfig')
    .filter(([, digest]) => digest !== authorities.get('kubernetes-ca'))
    .map(([path = '']) => path);
  const known = [...kubeconfigs, ...authorityFiles.keys(), ENCRYPTION];
  const files = report
    .all('kubernetes-file')
    .map(([path = '']) => path)
    .filter((path) => !known.includes(path));
  return [
    ...kubeconfigs.map(
      (path) =>
        `${path} leads to another cluster (its authority is not that of this one); drain the host there, then move /etc/kubernetes and /var/lib/kubelet away`,
    ),
    ...(files.length > 0
      ? [
          `/etc/kubernetes has files of another installation (${files.join(', ')}); move the directory away, or remove that installation`,
        ]
      : []),
  ];
}

function sameMinor(one: string, other: string): boolean {
  const minor = (version: string): string => version.split('.').slice(0, 2).join('.');
  return minor(one) === minor(other);
}
