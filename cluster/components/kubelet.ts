import { stringify } from 'yaml';
import type { HostState } from '../desired-state.js';
import { noTraces, nothing } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host } from '../spec.js';
import { requireSupport } from '../versions.js';
import { CONTROL_PLANE_KEY, dnsServiceAddress, isTainted } from '../topology.js';
import { CRI_SOCKET } from './container-runtime.js';
import { endPods, unmountBelow } from './cleanups.js';
import { BIN, certificateFile, directory, program, textFile } from './files.js';
import { unitFile, unitPath } from './systemd.js';
import { cipherSuites } from './tls.js';

const UNIT = 'kubelet.service';
const CONFIG = '/var/lib/kubelet/config.yaml';
const PKI = '/etc/kubernetes/pki';
const RUNTIME_ENDPOINT = `unix://${CRI_SOCKET}`;

/** Written by the kubelet itself once its request is approved. */
export const KUBELET_KUBECONFIG = '/etc/kubernetes/kubelet.conf';
/** Holds the node's bootstrap token; removed once the node is a member. */
export const BOOTSTRAP_KUBECONFIG = '/etc/kubernetes/bootstrap-kubelet.conf';
/** Keys and certificates of the kubelet, made and renewed by itself. */
export const KUBELET_PKI = '/var/lib/kubelet/pki';

/** Flag of a kubelet that joins. */
export const ROTATION_OFF = '--rotate-certificates=false';

/**
 * A kubelet that renews its certificate keeps the key of a request in its memory; one that does not keeps the key of its
 * first request on disk until that is answered (kubernetes/kubernetes, cmd/kubelet/app/server.go,
 * buildKubeletClientConfig). So a kubelet joins without, for its request to be held against the key that waits on its
 * host; it restarts with it once it has its kubeconfig, which is written last.
 */
const JOINING = '/run/ha-kubernetes-kubelet/joining';
const rotation = [
  'RuntimeDirectory=ha-kubernetes-kubelet',
  'Environment=ROTATE_CERTIFICATES=true',
  `EnvironmentFile=-${JOINING}`,
  `ExecStartPre=/bin/sh -c '[ -s ${KUBELET_KUBECONFIG} ] || echo ROTATE_CERTIFICATES=false >${JOINING}'`,
];

/** The node's own programs. */
export function nodeBinaries(): HostState {
  return {
    ...nothing,
    files: ['kubelet', 'kube-proxy'].map((name) => program(name, 'kubernetes-server', `kubernetes/server/bin/${name}`)),
  };
}

/**
 * The kubelet (seed, "配置kubelet组件"): joins by a bootstrap token and a request that somebody approves, and then asks
 * for its serving certificate, which is held against the names of the inventory, so that API servers can check it.
 */
export function kubeletState(spec: ClusterSpec, host: Host, facts: HostFacts): HostState {
  const { features } = requireSupport(spec.kubernetes);
  const files = [
    certificateFile(`${PKI}/ca.crt`, 'kubernetes-ca'),
    textFile(CONFIG, stringify(kubeletConfiguration(spec, facts))),
  ];
  return {
    ...nothing,
    directories: [directory('/etc/kubernetes'), directory(PKI), directory('/var/lib/kubelet', 'root:root', 0o750)],
    files: [
      ...files,
      unitFile(UNIT, {
        description: 'Kubernetes node agent',
        documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/',
        after: ['containerd.service', 'kube-api-proxy.service'],
        type: 'simple',
        command: `${BIN}/kubelet`,
        flags: {
          config: CONFIG,
          kubeconfig: KUBELET_KUBECONFIG,
          'bootstrap-kubeconfig': BOOTSTRAP_KUBECONFIG,
          ...(features.remoteRuntimeFlag ? { 'container-runtime': 'remote' } : {}),
          ...(features.runtimeByFlag ? { 'container-runtime-endpoint': RUNTIME_ENDPOINT } : {}),
          'node-ip': host.address,
          // A host may get another name when it boots (DHCP, cloud-init); its Node keeps this one.
          'hostname-override': host.name,
          // There before the first pod could be; the deployer keeps it so afterwards.
          ...(isTainted(spec, host) ? { 'register-with-taints': `${CONTROL_PLANE_KEY}=:NoSchedule` } : {}),
          'rotate-certificates': '${ROTATE_CERTIFICATES}',
        },
        // Pods go on while their kubelet restarts.
        service: ['KillMode=process', 'WorkingDirectory=/var/lib/kubelet', ...rotation],
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), `${BIN}/kubelet`, ...files.map((file) => file.path)],
        startTimeoutSeconds: 30,
      },
    ],
    traces: {
      ...noTraces,
      paths: ['/var/log/pods', '/var/log/containers', '/usr/libexec/kubernetes', KUBELET_KUBECONFIG],
      // What it sets unless told to protect the kernel's defaults (kubelet, cm/container_manager_linux.go).
      sysctls: [
        'vm.overcommit_memory',
        'vm.panic_on_oom',
        'kernel.panic',
        'kernel.panic_on_oops',
        'kernel.keys.root_maxkeys',
        'kernel.keys.root_maxbytes',
      ],
      cleanups: [
        { title: 'end every pod', command: endPods },
        { title: 'unmount the volumes of pods', command: unmountBelow('/var/lib/kubelet') },
      ],
    },
  };
}

/** KubeletConfiguration v1beta1 with every security default stated (kubernetes-versions, section 1b). */
function kubeletConfiguration(spec: ClusterSpec, facts: HostFacts): object {
  const { features } = requireSupport(spec.kubernetes);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '0.0.0.0',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${PKI}/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'systemd',
    clusterDNS: [dnsServiceAddress(spec)],
    clusterDomain: spec.network.dnsDomain,
    ...(features.runtimeByFlag ? {} : { containerRuntimeEndpoint: RUNTIME_ENDPOINT }),
    ...(features.refusesCgroupV1 && facts.cgroup === 'v1' ? { failCgroupV1: false } : {}),
    eventRecordQPS: 50,
    failSwapOn: !spec.allowSwap,
    makeIPTablesUtilChains: true,
    // A node is called Ready within seconds of its network; unchanged status is still reported every five minutes only.
    nodeStatusReportFrequency: '5m0s',
    nodeStatusUpdateFrequency: '3s',
    // A pod that forks without end takes no more than this from its node.
    podPidsLimit: 4096,
    // The host component sets what the kubelet wants of the kernel, so that it need not change it by itself.
    protectKernelDefaults: true,
    readOnlyPort: 0,
    resolvConf: facts.resolvConf,
    rotateCertificates: true,
    ...(features.seccompDefault ? { seccompDefault: true } : {}),
    serializeImagePulls: false,
    serverTLSBootstrap: true,
    // No staticPodPath: a file in such a directory would be a pod past the API and its rules, and nothing here needs one.
    streamingConnectionIdleTimeout: '5m0s',
    tlsCipherSuites: cipherSuites,
    tlsMinVersion: 'VersionTLS12',
  };
}
