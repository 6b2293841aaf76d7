import { BENCH_ARTIFACT, benchmarkFiles } from '../../../cluster/benchmark.js';
import type { ArtifactPlan, DebianPackages, GoModule, MirrorPlan } from '../plan.js';
import { tools } from '../tool.js';
import {
  cniPlugins,
  commonArtifacts,
  commonSources,
  containerd,
  corednsImage,
  etcd,
  GO,
  hostPackages,
  kubernetesModule,
  kubernetesPrograms,
  kubernetesServer,
  programImage,
  runc,
} from './parts.js';

/** What differs between the plans of today's versions. */
export interface Versions {
  readonly kubernetes: string;
  readonly etcd: string;
  readonly coredns: string;
  readonly pause: string;
}

/** What all of today's versions run with. containerd is of its long-term branch; runc is the one that it is tested with. */
const CONTAINERD = '2.3.7';
const RUNC = '1.5.2';
const CNI_PLUGINS = '1.9.1';
const METRICS_SERVER = '0.9.0';

const cniPrograms = {
  main: ['bridge', 'dummy', 'host-device', 'ipvlan', 'loopback', 'macvlan', 'ptp', 'tap', 'vlan'],
  meta: ['bandwidth', 'firewall', 'portmap', 'sbr', 'tuning', 'vrf'],
  ipam: ['dhcp', 'host-local', 'static'],
};

/** The plan of a version whose programs, and those of all that it runs with, are built from Go modules. */
export function planFromModules(versions: Versions): MirrorPlan {
  return {
    kubernetes: `v${versions.kubernetes}`,
    sources: {
      ...commonSources,
      kubernetes: kubernetes(versions.kubernetes),
      etcd: etcdProgram('server', 'etcd', versions.etcd),
      etcdctl: etcdProgram('etcdctl', 'etcdctl', versions.etcd),
      etcdutl: etcdProgram('etcdutl', 'etcdutl', versions.etcd),
      containerd: containerdPrograms,
      libseccomp,
      runc: runcProgram,
      'cni-plugins': cniPluginPrograms,
      pause: {
        kind: 'static-program',
        source: 'kubernetes',
        file: PAUSE_SOURCE,
        defines: { VERSION: versions.pause },
        output: 'pause',
      },
      coredns: {
        kind: 'go-module',
        module: 'github.com/coredns/coredns',
        version: `v${versions.coredns}`,
        go: GO,
        programs: { coredns: '.' },
        variables: { 'github.com/coredns/coredns/coremain.GitCommit': `v${versions.coredns}` },
      },
      'metrics-server': metricsServer,
      'kube-bench': tools['kube-bench'],
    },
    artifacts: [
      kubernetesServer(versions.kubernetes),
      etcd(
        versions.etcd,
        Object.fromEntries(['etcd', 'etcdctl', 'etcdutl'].map((name) => [name, { source: name, path: name }])),
      ),
      containerd(CONTAINERD, ''),
      runc(RUNC, 'runc'),
      cniPlugins(CNI_PLUGINS, '', Object.values(cniPrograms).flat().sort()),
      ...commonArtifacts,
      programImage('pause', versions.pause, `registry.k8s.io/pause:${versions.pause}`),
      corednsImage(versions.coredns, `registry.k8s.io/coredns/coredns:v${versions.coredns}`),
      programImage(
        'metrics-server',
        METRICS_SERVER,
        `registry.k8s.io/metrics-server/metrics-server:v${METRICS_SERVER}`,
      ),
      kubeBench,
    ],
    // kube-proxy in nftables mode calls nft.
    packages: [...hostPackages, 'nftables'],
  };
}

const PAUSE_SOURCE = 'build/pause/linux/pause.c';

function kubernetes(version: string): GoModule {
  return {
    ...kubernetesModule(
      version,
      Object.fromEntries(kubernetesPrograms.map((program) => [program, `./cmd/${program}`])),
      [PAUSE_SOURCE],
    ),
    variables: kubernetesVersion(version),
  };
}

/** Variables by which a program made from Kubernetes' libraries tells its version. */
export function kubernetesVersion(version: string): Record<string, string> {
  const [major = '', minor = ''] = version.split('.');
  const values = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor, gitTreeState: 'archive' };
  return Object.fromEntries(
    ['component-base/version', 'client-go/pkg/version'].flatMap((module) =>
      Object.entries(values).map(([key, value]) => [`k8s.io/${module}.${key}`, value]),
    ),
  );
}

function etcdProgram(directory: string, program: string, version: string): GoModule {
  return {
    kind: 'go-module',
    module: `go.etcd.io/etcd/${directory}/v3`,
    version: `v${version}`,
    go: GO,
    programs: { [program]: '.' },
    siblings: `v${version}`,
    variables: { 'go.etcd.io/etcd/api/v3/version.GitSHA': `v${version}` },
  };
}

const containerdPrograms: GoModule = {
  kind: 'go-module',
  module: 'github.com/containerd/containerd/v2',
  version: `v${CONTAINERD}`,
  go: GO,
  programs: Object.fromEntries(
    ['containerd', 'containerd-shim-runc-v2', 'ctr'].map((program) => [program, `./cmd/${program}`]),
  ),
  variables: { 'github.com/containerd/containerd/v2/version.Version': `v${CONTAINERD}` },
};

const libseccomp: DebianPackages = { kind: 'debian-packages', packages: ['libseccomp-dev'] };

/** Without seccomp, pods with the profile RuntimeDefault would not start. */
const runcProgram: GoModule = {
  kind: 'go-module',
  module: 'github.com/opencontainers/runc',
  version: `v${RUNC}`,
  go: GO,
  programs: { runc: '.' },
  cgo: { libraries: 'libseccomp', tags: ['seccomp', 'urfave_cli_no_docs', 'netgo', 'osusergo'] },
};

const cniPluginPrograms: GoModule = {
  kind: 'go-module',
  module: 'github.com/containernetworking/plugins',
  version: `v${CNI_PLUGINS}`,
  go: GO,
  programs: Object.fromEntries(
    Object.entries(cniPrograms).flatMap(([kind, names]) => names.map((name) => [name, `./plugins/${kind}/${name}`])),
  ),
  variables: {
    'github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion': `v${CNI_PLUGINS}`,
  },
};

/** What audits hosts, with the benchmark of these versions; in the layout of the official release. */
const kubeBench: ArtifactPlan = {
  name: BENCH_ARTIFACT,
  version: tools['kube-bench'].version.slice(1),
  url: `https://github.com/aquasecurity/kube-bench/releases/download/${tools['kube-bench'].version}/kube-bench_${tools['kube-bench'].version.slice(1)}_linux_amd64.tar.gz`,
  content: {
    kind: 'tar.gz',
    members: Object.fromEntries(
      ['kube-bench', ...benchmarkFiles('cis-1.12')].map((path) => [path, { source: 'kube-bench', path }]),
    ),
  },
};

const metricsServer: GoModule = {
  kind: 'go-module',
  module: 'sigs.k8s.io/metrics-server',
  version: `v${METRICS_SERVER}`,
  go: GO,
  programs: { 'metrics-server': './cmd/metrics-server' },
  variables: kubernetesVersion(METRICS_SERVER),
};
