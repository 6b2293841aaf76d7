import type { MirrorPlan } from '../plan.js';
import {
  cniPlugins,
  commonArtifacts,
  commonSources,
  containerd,
  corednsImage,
  etcd,
  GO,
  hostPackages,
  kubernetesPrograms,
  kubernetesServer,
  programImage,
  runc,
} from './parts.js';

/**
 * The seed's version. Its Go module lacks generated code, so it comes from Debian 12's source package; the other parts
 * are Debian 12's programs in the archives of the official releases, or are built from Go modules.
 */
export const plan: MirrorPlan = {
  kubernetes: 'v1.20.2',
  sources: {
    ...commonSources,
    'kubernetes-source': {
      kind: 'kubernetes-source',
      package: 'kubernetes',
      upstream: '1.20.2',
      // reflect2 1.0.1 crashes at run time when it is built with Go 1.18 or newer.
      vendor: { 'github.com/modern-go/reflect2': 'v1.0.2' },
      go: '1.19',
    },
    kubernetes: {
      kind: 'kubernetes-programs',
      source: 'kubernetes-source',
      version: 'v1.20.2',
      go: '1.19',
      programs: kubernetesPrograms,
    },
    etcd: { kind: 'debian-packages', packages: ['etcd-server', 'etcd-client'], upstream: '3.4.23' },
    containerd: { kind: 'debian-packages', packages: ['containerd'], upstream: '1.6.20' },
    runc: { kind: 'debian-packages', packages: ['runc'], upstream: '1.1.5' },
    'cni-plugins': { kind: 'debian-packages', packages: ['containernetworking-plugins'], upstream: '1.1.1' },
    pause: {
      kind: 'static-program',
      source: 'kubernetes-source',
      file: 'src/k8s.io/kubernetes/build/pause/linux/pause.c',
      defines: { VERSION: '3.2' },
      output: 'pause',
    },
    coredns: {
      kind: 'go-module',
      module: 'github.com/coredns/coredns',
      version: 'v1.7.0',
      go: GO,
      programs: { coredns: '.' },
      edit: ['-require=github.com/modern-go/reflect2@v1.0.2'],
      variables: { 'github.com/coredns/coredns/coremain.GitCommit': 'v1.7.0' },
    },
  },
  artifacts: [
    kubernetesServer('1.20.2'),
    etcd('3.4.23', {
      etcd: { source: 'etcd', path: 'usr/bin/etcd' },
      etcdctl: { source: 'etcd', path: 'usr/bin/etcdctl' },
    }),
    containerd('1.6.20', 'usr/bin/'),
    runc('1.1.5', 'usr/sbin/runc'),
    cniPlugins('1.1.1', 'usr/lib/cni/', [
      ...['bandwidth', 'bridge', 'dhcp', 'firewall', 'host-device', 'host-local', 'ipvlan', 'loopback', 'macvlan'],
      ...['portmap', 'ptp', 'sbr', 'static', 'tuning', 'vlan', 'vrf'],
    ]),
    ...commonArtifacts,
    programImage('pause', '3.2', 'registry.k8s.io/pause:3.2'),
    corednsImage('1.7.0', 'registry.k8s.io/coredns:1.7.0'),
  ],
  packages: hostPackages,
};
