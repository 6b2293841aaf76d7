import type { ImageConfig, MirrorPlan, RootfsPart, SourceFile } from '../plan.js';

const busybox: SourceFile = { source: 'busybox', path: 'bin/busybox' };

const cniPlugins = [
  ...['bandwidth', 'bridge', 'dhcp', 'firewall', 'host-device', 'host-local', 'ipvlan', 'loopback', 'macvlan'],
  ...['portmap', 'ptp', 'sbr', 'static', 'tuning', 'vlan', 'vrf'],
];

/** flannel's own image has the same: the tools of Debian choose nft underneath, as the hosts' do. */
const iptablesLinks: readonly RootfsPart[] = ['iptables', 'ip6tables'].flatMap((family) =>
  ['', '-save', '-restore'].map((tool) => ({
    kind: 'symlink' as const,
    to: `usr/sbin/${family}${tool}`,
    target: 'xtables-nft-multi',
  })),
);

/** The seed's test application (ikubernetes/myapp:v1): "/" names the version and the pod that answers. */
const myapp = `#!/bin/sh
trap 'exit 0' TERM INT
mkdir -p /www
echo "Hello MyApp | Version: v1 | Pod: $(hostname)" >/www/index.html
hostname >/www/hostname.html
httpd -f -p 80 -h /www &
wait
`;

const systemPath: ImageConfig['Env'] = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

/**
 * The seed's version. Its Go module lacks generated code, so it comes from Debian 12's source package; the other parts
 * are Debian 12's programs in the archives of the official releases, or are built from Go modules.
 */
export const plan: MirrorPlan = {
  kubernetes: 'v1.20.2',
  sources: {
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
      programs: [
        ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'],
        ...['kubectl', 'kubelet', 'kube-proxy'],
      ],
    },
    etcd: { kind: 'debian-packages', packages: ['etcd-server', 'etcd-client'], upstream: '3.4.23' },
    containerd: { kind: 'debian-packages', packages: ['containerd'], upstream: '1.6.20' },
    runc: { kind: 'debian-packages', packages: ['runc'], upstream: '1.1.5' },
    'cni-plugins': { kind: 'debian-packages', packages: ['containernetworking-plugins'], upstream: '1.1.1' },
    busybox: { kind: 'debian-packages', packages: ['busybox-static'] },
    'flannel-cni-plugin': {
      kind: 'go-module',
      module: 'github.com/containernetworking/plugins',
      version: 'v0.9.1',
      programs: { flannel: './plugins/meta/flannel' },
    },
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
      programs: { coredns: '.' },
      edit: ['-require=github.com/modern-go/reflect2@v1.0.2'],
      variables: { 'github.com/coredns/coredns/coremain.GitCommit': 'v1.7.0' },
    },
    flannel: {
      kind: 'go-module',
      module: 'github.com/flannel-io/flannel',
      version: 'v0.28.10',
      programs: { flanneld: '.' },
      // udp needs cgo; tencentvpc needs a module that the registry does not serve.
      dropImports: {
        file: 'main.go',
        packages: [
          'github.com/flannel-io/flannel/pkg/backend/tencentvpc',
          'github.com/flannel-io/flannel/pkg/backend/udp',
        ],
      },
      variables: { 'github.com/flannel-io/flannel/pkg/version.Version': 'v0.28.10' },
    },
    'flannel-tools': {
      kind: 'debian-packages',
      packages: [
        ...['iptables', 'libip4tc2', 'libip6tc2', 'libxtables12', 'libmnl0', 'libnetfilter-conntrack3'],
        ...['libnfnetlink0', 'libnftnl11', 'libc6'],
        ...['nftables', 'libnftables1', 'libedit2', 'libbsd0', 'libmd0', 'libtinfo6', 'libgmp10', 'libjansson4'],
        ...['iproute2', 'libbpf1', 'libcap2', 'libdb5.3', 'libelf1', 'libselinux1', 'libpcre2-8-0', 'zlib1g'],
      ],
    },
  },
  artifacts: [
    {
      name: 'kubernetes-server',
      version: '1.20.2',
      url: 'https://dl.k8s.io/v1.20.2/kubernetes-server-linux-amd64.tar.gz',
      content: {
        kind: 'tar.gz',
        members: members('kubernetes/server/bin/', 'kubernetes', '', [
          ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'],
          ...['kubectl', 'kubelet', 'kube-proxy'],
        ]),
      },
    },
    {
      name: 'etcd',
      version: '3.4.23',
      url: 'https://github.com/etcd-io/etcd/releases/download/v3.4.23/etcd-v3.4.23-linux-amd64.tar.gz',
      content: {
        kind: 'tar.gz',
        members: members('etcd-v3.4.23-linux-amd64/', 'etcd', 'usr/bin/', ['etcd', 'etcdctl']),
      },
    },
    {
      name: 'containerd',
      version: '1.6.20',
      url: 'https://github.com/containerd/containerd/releases/download/v1.6.20/containerd-1.6.20-linux-amd64.tar.gz',
      content: {
        kind: 'tar.gz',
        members: members('bin/', 'containerd', 'usr/bin/', ['containerd', 'containerd-shim-runc-v2', 'ctr']),
      },
    },
    {
      name: 'runc',
      version: '1.1.5',
      url: 'https://github.com/opencontainers/runc/releases/download/v1.1.5/runc.amd64',
      content: { kind: 'file', file: { source: 'runc', path: 'usr/sbin/runc' } },
    },
    {
      name: 'cni-plugins',
      version: '1.1.1',
      url: 'https://github.com/containernetworking/plugins/releases/download/v1.1.1/cni-plugins-linux-amd64-v1.1.1.tgz',
      content: { kind: 'tar.gz', members: members('./', 'cni-plugins', 'usr/lib/cni/', cniPlugins) },
    },
    {
      // The last release of the CNI plugins that has flannel's; its own module is not in the Go registry.
      name: 'flannel-cni-plugin',
      version: '0.9.1',
      url: 'https://github.com/containernetworking/plugins/releases/download/v0.9.1/cni-plugins-linux-amd64-v0.9.1.tgz',
      content: { kind: 'tar.gz', members: members('./', 'flannel-cni-plugin', '', ['flannel']) },
    },
    {
      name: 'image-pause',
      version: '3.2',
      url: 'https://images.ha-kubernetes.invalid/pause-3.2.tar',
      content: {
        kind: 'image',
        reference: 'registry.k8s.io/pause:3.2',
        config: { Entrypoint: ['/pause'] },
        rootfs: [{ kind: 'file', from: { source: 'pause', path: 'pause' }, to: 'pause' }],
      },
    },
    {
      name: 'image-flannel',
      version: '0.28.10',
      url: 'https://images.ha-kubernetes.invalid/flannel-v0.28.10.tar',
      content: {
        kind: 'image',
        reference: 'ghcr.io/flannel-io/flannel:v0.28.10',
        config: { Entrypoint: ['/opt/bin/flanneld'], Env: systemPath },
        rootfs: [
          { kind: 'tree', source: 'flannel-tools', exclude: '^(usr/share|usr/lib/x86_64-linux-gnu/gconv)/' },
          ...iptablesLinks,
          { kind: 'busybox', from: busybox },
          { kind: 'file', from: { source: 'flannel', path: 'flanneld' }, to: 'opt/bin/flanneld' },
        ],
      },
    },
    {
      name: 'image-coredns',
      version: '1.7.0',
      url: 'https://images.ha-kubernetes.invalid/coredns-1.7.0.tar',
      content: {
        kind: 'image',
        reference: 'registry.k8s.io/coredns:1.7.0',
        config: { Entrypoint: ['/coredns'], ExposedPorts: { '53/tcp': {}, '53/udp': {} } },
        rootfs: [{ kind: 'file', from: { source: 'coredns', path: 'coredns' }, to: 'coredns' }],
      },
    },
    {
      name: 'image-myapp',
      version: 'v1',
      url: 'https://images.ha-kubernetes.invalid/myapp-v1.tar',
      content: {
        kind: 'image',
        reference: 'docker.io/ikubernetes/myapp:v1',
        config: { Entrypoint: ['/myapp'], Env: systemPath, ExposedPorts: { '80/tcp': {} } },
        rootfs: [
          { kind: 'busybox', from: busybox },
          { kind: 'text', text: myapp, to: 'myapp', mode: 0o755 },
        ],
      },
    },
  ],
  packages: ['chrony', 'conntrack', 'ebtables', 'ethtool', 'haproxy', 'ipset', 'iptables', 'socat'],
};

function members(
  prefix: string,
  source: string,
  directory: string,
  names: readonly string[],
): Record<string, SourceFile> {
  return Object.fromEntries(names.map((name) => [prefix + name, { source, path: directory + name }]));
}
