import type { ImageName } from '../../../cluster/artifacts.js';
import type {
  ArtifactPlan,
  DebianPackages,
  GoModule,
  Image,
  ImageConfig,
  RootfsPart,
  Source,
  SourceFile,
} from '../plan.js';
import { accounts, baseSources, busyboxProgram, systemPath } from './image-base.js';

/** The Go that compiles all modules, whatever Kubernetes they are for: what two versions share is compiled once. */
export const GO = '1.26.8';

/** The six programs of Kubernetes that a deployment installs. */
export const kubernetesPrograms = [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'],
  ...['kubectl', 'kubelet', 'kube-proxy'],
];

/** Packages that every host gets. */
export const hostPackages = [
  'chrony',
  'conntrack',
  'curl',
  'ebtables',
  'ethtool',
  'haproxy',
  'ipset',
  'iptables',
  'socat',
];

const FLANNEL = '0.28.10';

const flannel: GoModule = {
  kind: 'go-module',
  module: 'github.com/flannel-io/flannel',
  version: `v${FLANNEL}`,
  go: GO,
  programs: { flanneld: '.' },
  // udp needs cgo; tencentvpc needs a module that the registry does not serve.
  dropImports: {
    file: 'main.go',
    packages: ['github.com/flannel-io/flannel/pkg/backend/tencentvpc', 'github.com/flannel-io/flannel/pkg/backend/udp'],
  },
  variables: { 'github.com/flannel-io/flannel/pkg/version.Version': `v${FLANNEL}` },
};

const flannelTools: DebianPackages = {
  kind: 'debian-packages',
  packages: [
    ...['iptables', 'libip4tc2', 'libip6tc2', 'libxtables12', 'libmnl0', 'libnetfilter-conntrack3'],
    ...['libnfnetlink0', 'libnftnl11', 'libc6'],
    ...['nftables', 'libnftables1', 'libedit2', 'libbsd0', 'libmd0', 'libtinfo6', 'libgmp10', 'libjansson4'],
    ...['iproute2', 'libbpf1', 'libcap2', 'libdb5.3', 'libelf1', 'libselinux1', 'libpcre2-8-0', 'zlib1g'],
  ],
};

/** flannel's own image has the same: the tools of Debian choose nft underneath, as the hosts' do. */
const iptablesLinks: readonly RootfsPart[] = ['iptables', 'ip6tables'].flatMap((family) =>
  ['', '-save', '-restore'].map((tool) => ({
    kind: 'symlink' as const,
    to: `usr/sbin/${family}${tool}`,
    target: 'xtables-nft-multi',
  })),
);

/**
 * The program that the project's own checks talk to in pods, as Kubernetes' e2e tests do: of one version for every
 * Kubernetes, since it uses no library of the cluster's.
 */
const AGNHOST = { version: '2.66.1', kubernetes: '1.37.2' };

/** The tunnel from API servers on hosts without pods to pods; no other version of it is in the Go registry whole. */
const KONNECTIVITY = '0.34.0';

const konnectivity: GoModule = {
  kind: 'go-module',
  module: 'sigs.k8s.io/apiserver-network-proxy',
  version: `v${KONNECTIVITY}`,
  go: GO,
  programs: { 'proxy-server': './cmd/server', 'proxy-agent': './cmd/agent' },
  siblings: `v${KONNECTIVITY}`,
};

/** What {@link commonArtifacts} are packed from. */
export const commonSources: Readonly<Record<string, Source>> = {
  ...baseSources,
  'flannel-cni-plugin': {
    kind: 'go-module',
    module: 'github.com/containernetworking/plugins',
    version: 'v0.9.1',
    go: GO,
    programs: { flannel: './plugins/meta/flannel' },
  },
  flannel,
  'flannel-tools': flannelTools,
  konnectivity,
  agnhost: kubernetesModule(AGNHOST.kubernetes, { agnhost: './test/images/agnhost' }),
};

/** The network's parts and the program of the checks: the same for every version of Kubernetes. */
export const commonArtifacts: readonly ArtifactPlan[] = [
  {
    // The last release of the CNI plugins that has flannel's; its own module is not in the Go registry.
    name: 'flannel-cni-plugin',
    version: '0.9.1',
    url: 'https://github.com/containernetworking/plugins/releases/download/v0.9.1/cni-plugins-linux-amd64-v0.9.1.tgz',
    content: { kind: 'tar.gz', members: members('./', 'flannel-cni-plugin', '', ['flannel']) },
  },
  image('flannel', FLANNEL, `ghcr.io/flannel-io/flannel:v${FLANNEL}`, {
    config: { Entrypoint: ['/opt/bin/flanneld'], Env: systemPath },
    rootfs: [
      { kind: 'tree', source: 'flannel-tools', exclude: '^(usr/share|usr/lib/x86_64-linux-gnu/gconv)/' },
      ...iptablesLinks,
      { kind: 'busybox', from: busyboxProgram },
      { kind: 'file', from: { source: 'flannel', path: 'flanneld' }, to: 'opt/bin/flanneld' },
    ],
  }),
  // One program each, as in the layer of the official image.
  ...['proxy-server', 'proxy-agent'].map((program): ArtifactPlan => ({
    name: `konnectivity-${program}`,
    version: KONNECTIVITY,
    url: `https://images.ha-kubernetes.invalid/kas-network-proxy/${program}-v${KONNECTIVITY}.tar.gz`,
    content: { kind: 'tar.gz', members: members('', 'konnectivity', '', [program]) },
  })),
  // What the checks run of it: they wait for this image on every node, so it has none of upstream's other tools.
  image('agnhost', AGNHOST.version, `registry.k8s.io/e2e-test-images/agnhost:${AGNHOST.version}`, {
    config: { Entrypoint: ['/agnhost'], Cmd: ['pause'], Env: systemPath },
    rootfs: [
      ...accounts,
      { kind: 'busybox', from: busyboxProgram },
      { kind: 'file', from: { source: 'agnhost', path: 'agnhost' }, to: 'agnhost' },
    ],
  }),
];

/** Programs of Kubernetes' own repository by their package, and files of it; `version` without its `v`. */
export function kubernetesModule(
  version: string,
  programs: GoModule['programs'],
  copy: readonly string[] = [],
): GoModule {
  const [, minor = '', patch = ''] = version.split('.');
  return {
    kind: 'go-module',
    module: 'k8s.io/kubernetes',
    version: `v${version}`,
    go: GO,
    programs,
    copy,
    // The staging repositories are published as modules that count v0.MINOR.PATCH.
    siblings: `v0.${minor}.${patch}`,
  };
}

/** The program files of the CNI plugins' archive. */
export function cniPlugins(version: string, directory: string, names: readonly string[]): ArtifactPlan {
  return {
    name: 'cni-plugins',
    version,
    url: `https://github.com/containernetworking/plugins/releases/download/v${version}/cni-plugins-linux-amd64-v${version}.tgz`,
    content: { kind: 'tar.gz', members: members('./', 'cni-plugins', directory, names) },
  };
}

/** Kubernetes' six programs, from the source `kubernetes`. */
export function kubernetesServer(version: string): ArtifactPlan {
  return {
    name: 'kubernetes-server',
    version,
    url: `https://dl.k8s.io/v${version}/kubernetes-server-linux-amd64.tar.gz`,
    content: {
      kind: 'tar.gz',
      members: members('kubernetes/server/bin/', 'kubernetes', '', kubernetesPrograms),
    },
  };
}

/** etcd's programs; each file of the archive is described by where a source has it. */
export function etcd(version: string, files: Readonly<Record<string, SourceFile>>): ArtifactPlan {
  const directory = `etcd-v${version}-linux-amd64`;
  return {
    name: 'etcd',
    version,
    url: `https://github.com/etcd-io/etcd/releases/download/v${version}/${directory}.tar.gz`,
    content: {
      kind: 'tar.gz',
      members: Object.fromEntries(Object.entries(files).map(([name, file]) => [`${directory}/${name}`, file])),
    },
  };
}

/** containerd's programs, which stand in `directory` of the source `containerd`. */
export function containerd(version: string, directory: string): ArtifactPlan {
  return {
    name: 'containerd',
    version,
    url: `https://github.com/containerd/containerd/releases/download/v${version}/containerd-${version}-linux-amd64.tar.gz`,
    content: {
      kind: 'tar.gz',
      members: members('bin/', 'containerd', directory, ['containerd', 'containerd-shim-runc-v2', 'ctr']),
    },
  };
}

/** runc, from the source `runc`. */
export function runc(version: string, path: string): ArtifactPlan {
  return {
    name: 'runc',
    version,
    url: `https://github.com/opencontainers/runc/releases/download/v${version}/runc.amd64`,
    content: { kind: 'file', file: { source: 'runc', path } },
  };
}

/** An image that is one static program at its root, named as the source that has it. */
export function programImage(
  program: ImageName,
  version: string,
  reference: string,
  config: Omit<ImageConfig, 'Entrypoint'> = {},
): ArtifactPlan {
  return image(program, version, reference, {
    config: { Entrypoint: [`/${program}`], ...config },
    rootfs: [{ kind: 'file', from: { source: program, path: program }, to: program }],
  });
}

/** CoreDNS, from the source `coredns`. */
export function corednsImage(version: string, reference: string): ArtifactPlan {
  return programImage('coredns', version, reference, { ExposedPorts: { '53/tcp': {}, '53/udp': {} } });
}

function image(name: ImageName, version: string, reference: string, content: Image): ArtifactPlan {
  const tag = reference.slice(reference.lastIndexOf(':') + 1);
  return {
    name: `image-${name}`,
    version,
    url: `https://images.ha-kubernetes.invalid/${name}-${tag}.tar`,
    content: { kind: 'image', image: name, reference, ...content },
  };
}

function members(
  prefix: string,
  source: string,
  directory: string,
  names: readonly string[],
): Record<string, SourceFile> {
  return Object.fromEntries(names.map((name) => [prefix + name, { source, path: directory + name }]));
}
