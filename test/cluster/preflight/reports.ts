import { judgePreflight, type Judgement } from '../../../cluster/preflight/judge.js';
import type { KnownCluster } from '../../../cluster/preflight/clusters.js';
import { Report } from '../../../cluster/preflight/report.js';
import type { ClusterSpec } from '../../../cluster/spec.js';
import { hostByName } from '../../../cluster/topology.js';
import { specOf } from '../documents.js';

/** Three masters and two nodes. */
export const spec: ClusterSpec = specOf({
  name: 'small',
  kubernetes: 'v1.37.1',
  domain: 'example.org',
  hosts: [
    ...[1, 2, 3].map((n) => ({ name: `master0${n}`, address: `172.16.0.10${n}`, roles: ['etcd', 'control-plane'] })),
    ...[1, 2].map((n) => ({ name: `node0${n}`, address: `172.16.0.11${n}`, roles: ['node'] })),
  ],
});

/** What a bare Debian 12 prints, by key; a test replaces whole keys. */
export function bare(host: string): Record<string, readonly string[]> {
  return {
    user: ['0'],
    init: ['systemd'],
    systemd: ['252'],
    clock: ['1700000000000'],
    container: ['none'],
    'machine-id': ['aa'],
    like: ['debian'],
    apt: [''],
    openssl: [''],
    space: ['/usr/local/bin', '/var/lib/etcd', '/var/lib/containerd', '/var/lib/kubelet'].map(
      (path) => `${path} / 20000 40 90`,
    ),
    address: ['127.0.0.1', hostByName(spec, host).address],
    gateway: ['172.16.0.1'],
    route: ['172.16.0.0/24 eth0'],
    resolvConf: ['/etc/resolv.conf'],
    nameserver: ['172.16.0.1'],
    port: ['22 ssh.service sshd'],
    boot: ['/usr/lib/sysctl.d/50-pid-max.conf kernel.pid_max 4194304'],
  };
}

export function reportOf(found: Readonly<Record<string, readonly string[]>>): Report {
  return new Report(
    Object.entries(found)
      .flatMap(([key, lines]) => lines.map((words) => `${key} ${words}`))
      .join('\n'),
  );
}

const nothingKnown: KnownCluster = { authorities: new Map(), hasEncryptionKey: false };

/** Judges a host that is bare, less what is found on it. */
export function judge(
  host: string,
  found: Readonly<Record<string, readonly string[]>> = {},
  known: Partial<KnownCluster> = {},
  sysctls: Readonly<Record<string, string>> = {},
  cluster = spec,
): Judgement {
  const report = reportOf({ ...bare(host), ...found });
  return judgePreflight(cluster, hostByName(cluster, host), report, { ...nothingKnown, ...known }, sysctls);
}

/** What is on a node of ours once it has been deployed: everything that a look can see of our own work. */
export const ourNode: Readonly<Record<string, readonly string[]>> = {
  journal: ['small'],
  record: [
    'file /etc/systemd/system/containerd.service',
    'file /etc/systemd/system/kubelet.service',
    ...['containerd', 'kubelet', 'kube-proxy', 'kube-api-proxy', 'haproxy'].map((name) => `unit ${name}.service`),
    'package haproxy',
    'path /etc/cni/net.d',
  ],
  authority: ['/etc/kubernetes/pki/ca.crt ours'],
  kubeconfig: ['/etc/kubernetes/kubelet.conf ours', '/etc/kubernetes/proxy.conf ours'],
  'kubernetes-file': ['/etc/kubernetes/api-proxy.cfg', '/etc/kubernetes/kubelet.conf'],
  runs: ['kubelet v1.37.1'],
  port: [
    '22 ssh.service sshd',
    '7443 kube-api-proxy.service haproxy',
    '10248 kubelet.service kubelet',
    '10249 kube-proxy.service kube-proxy',
    '10250 kubelet.service kubelet',
    '10256 kube-proxy.service kube-proxy',
  ],
  unit: ['containerd', 'kubelet', 'kube-proxy', 'kube-api-proxy'].flatMap((name) => [
    `${name}.service FragmentPath=/etc/systemd/system/${name}.service`,
    `${name}.service ActiveState=active`,
    `${name}.service UnitFileState=enabled`,
  ]),
  'container-of': ['k8s.io', 'k8s.io', 'default'],
  cni: ['/etc/cni/net.d/10-flannel.conflist'],
  link: ['cni0', 'flannel.1'],
  'service-rules': ['nft'],
  route: ['172.16.0.0/24 eth0', '10.244.0.0/24 cni0', '10.244.1.0/24 flannel.1'],
  drops: ['input ip filter'],
};

/** The state store of the cluster that {@link ourNode} belongs to. */
export const ourStore: KnownCluster = {
  authorities: new Map([
    ['kubernetes-ca', 'ours'],
    ['etcd-ca', 'ours'],
  ]),
  hasEncryptionKey: true,
};
