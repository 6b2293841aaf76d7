import { type ArtifactLock, type ImageName, imageReference } from '../artifacts.js';
import type { DesiredFile, HostState } from '../desired-state.js';
import { noTraces, nothing } from '../desired-state.js';
import type { ClusterSpec } from '../spec.js';
import { requireSupport } from '../versions.js';
import { removeLinks, removeRules, unmountBelow } from './cleanups.js';
import { BIN, directory, program, textFile } from './files.js';
import { unitFile, unitPath } from './systemd.js';

const UNIT = 'containerd.service';
const CONFIG = '/etc/containerd/config.toml';
/**
 * Where an operator says which hosts stand for a registry (containerd's docs/hosts.md). 1.x reads no directory unless it
 * is told to; the default of 2.x is a list of two, which it does not take apart when it pulls.
 */
const REGISTRY_HOSTS = '/etc/containerd/certs.d';
const CNI_BIN = '/opt/cni/bin';

/** Where the runtime answers the kubelet. */
export const CRI_SOCKET = '/run/containerd/containerd.sock';

const containerdPrograms = ['containerd', 'containerd-shim-runc-v2', 'ctr'];
/** The plugins that a pod network needs; the archive has more. */
const cniPlugins = ['bridge', 'host-local', 'loopback', 'portmap'];

/**
 * Where containerd mounts what belongs to pods: their containers' root file systems, shared memory and sandboxes. Beside
 * them stand those of other namespaces (docker's moby, nerdctl's default), which are not ours.
 */
const podMounts = [
  '/run/containerd/io.containerd.runtime.v2.task/k8s.io',
  '/run/containerd/io.containerd.grpc.v1.cri',
  '/run/containerd/io.containerd.sandbox.controller.v1.shim',
  // containerd's own for moments, also those that it was killed in.
  '/var/lib/containerd/tmpmounts',
];

/** The runtime's programs alone. */
export function containerRuntimeBinaries(): HostState {
  const cni = (name: string, artifact: string, member: string): DesiredFile => ({
    ...program(name, artifact, member),
    path: `${CNI_BIN}/${name}`,
  });
  return {
    ...nothing,
    directories: [directory('/opt/cni'), directory(CNI_BIN)],
    files: [
      ...containerdPrograms.map((name) => program(name, 'containerd', `bin/${name}`)),
      program('runc', 'runc'),
      ...cniPlugins.map((name) => cni(name, 'cni-plugins', `./${name}`)),
      cni('flannel', 'flannel-cni-plugin', './flannel'),
    ],
  };
}

/**
 * containerd (seed, "安装部署docker容器引擎", in the runtime that every Kubernetes version speaks to), with the systemd
 * cgroup driver on both sides.
 */
export function containerRuntimeState(spec: ClusterSpec, lock: ArtifactLock): HostState {
  const config = textFile(CONFIG, configuration(spec, imageReference(lock, 'pause')), 'root:root', 0o644);
  return {
    ...nothing,
    directories: [directory('/etc/containerd'), directory('/etc/cni'), directory('/etc/cni/net.d')],
    files: [
      config,
      unitFile(UNIT, {
        description: 'containerd container runtime',
        documentation: 'https://containerd.io',
        type: 'notify',
        command: `${BIN}/containerd`,
        flags: { config: CONFIG },
        startTimeoutSeconds: 60,
        // Containers outlive a restart of their runtime, and get their own share of tasks and limits (upstream's unit).
        service: ['Delegate=yes', 'KillMode=process', 'TasksMax=infinity', 'LimitNPROC=infinity'],
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), CONFIG, `${BIN}/containerd`],
        startTimeoutSeconds: 65,
      },
    ],
    ready: [{ title: 'containerd answers', command: `${BIN}/ctr version >/dev/null`, timeoutSeconds: 30 }],
    traces: {
      ...noTraces,
      paths: [
        '/var/lib/containerd',
        '/run/containerd',
        '/opt/containerd',
        '/var/lib/cni',
        '/run/netns',
        '/run/flannel',
      ],
      sysctls: ['net.ipv4.ip_forward'],
      cleanups: [
        {
          title: 'unmount the file systems of pods',
          command: unmountBelow(...podMounts),
        },
        {
          title: 'remove the network namespaces of pods',
          command: `${unmountBelow('/run/netns/cni-')}\nrm -f /run/netns/cni-*`,
        },
        // Again: flannel's pods have put theirs back for as long as they ran.
        { title: 'remove the rules of pods', command: removeRules },
        { title: 'remove the pod network', command: removeLinks(spec.network.pods) },
      ],
    },
  };
}

/** containerd's configuration: version 2 for 1.x; version 3 for 2.x, which has the CRI plugin in two parts. */
function configuration(spec: ClusterSpec, pauseImage: string): string {
  const { containerdConfig } = requireSupport(spec.kubernetes);
  const [images, runtime, sandbox] =
    containerdConfig === 2
      ? ['io.containerd.grpc.v1.cri', 'io.containerd.grpc.v1.cri', [`  sandbox_image = "${pauseImage}"`]]
      : [
          'io.containerd.cri.v1.images',
          'io.containerd.cri.v1.runtime',
          [`[plugins.'io.containerd.cri.v1.images'.pinned_images]`, `  sandbox = "${pauseImage}"`],
        ];
  return [
    `version = ${containerdConfig}`,
    `[plugins.'${images}']`,
    ...sandbox,
    ...(runtime === images ? [] : [`[plugins.'${runtime}']`]),
    // A system container may not lower an oom score, and runc dies trying.
    ...(spec.hostKind === 'container' ? ['  restrict_oom_score_adj = true'] : []),
    `[plugins.'${images}'.registry]`,
    `  config_path = "${REGISTRY_HOSTS}"`,
    `[plugins.'${runtime}'.containerd.runtimes.runc]`,
    '  runtime_type = "io.containerd.runc.v2"',
    `[plugins.'${runtime}'.containerd.runtimes.runc.options]`,
    '  SystemdCgroup = true',
    '',
  ].join('\n');
}

type LockedImages = ArtifactLock['images'];

/**
 * The images of the lock file that a node needs to be Ready, every pod's sandbox and the pod network, loaded before a pod
 * asks for them (the seed's node.tar); none where hosts pull.
 */
export function nodeImages(images: LockedImages): HostState {
  return loaded(images.filter(({ name }) => isNodeImage(name)));
}

/** All other images of the lock file, which pods ask for once a node is Ready. */
export function addonImages(images: LockedImages): HostState {
  return loaded(images.filter(({ name }) => !isNodeImage(name)));
}

function isNodeImage(name: ImageName): boolean {
  return name === 'pause' || name === 'flannel';
}

function loaded(images: LockedImages): HostState {
  return {
    ...nothing,
    images: images.flatMap(({ reference, artifact }) =>
      artifact === undefined ? [] : [{ reference, archive: { artifact } }],
    ),
  };
}
