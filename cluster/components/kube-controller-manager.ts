import type { HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import { kubeletAuthorities } from '../pki.js';
import type { ClusterSpec, Host } from '../spec.js';
import { requireSupport } from '../versions.js';
import { OWN_API_SERVER, PKI, programPath } from './control-plane.js';
import { keyFile, kubeconfigFile } from './files.js';
import { credential, sandbox, unitFile, unitPath } from './systemd.js';
import { cipherSuites } from './tls.js';

const UNIT = 'kube-controller-manager.service';
const USER = 'kube-controller-manager';
const KUBECONFIG = '/etc/kubernetes/controller-manager.conf';

/** What kubelets' certificates are signed with. */
const signers = (
  [
    ['client', `${PKI}/ca`],
    ['serving', `${PKI}/kubelet-serving-ca`],
  ] as const
).map(([purpose, path]) => ({
  purpose,
  authority: kubeletAuthorities[purpose],
  certificate: `${path}.crt`,
  key: `${path}.key`,
}));

/**
 * One controller manager (seed, "配置controller manager组件"); the lease decides which one is active. The seed's
 * `endpoints` lock ended with 1.24 and its 20 s grace period makes nodes flap while the API moves: defaults instead.
 */
export function kubeControllerManagerState(spec: ClusterSpec, host: Host): HostState {
  const files = [
    kubeconfigFile(KUBECONFIG, OWN_API_SERVER, `controller-manager/${host.name}`),
    // Sign the certificates of kubelets whose request was approved.
    ...signers.map(({ key, authority }) => keyFile(key, authority)),
  ];
  return {
    ...nothing,
    accounts: [{ name: USER }],
    files: [
      ...files,
      unitFile(UNIT, {
        description: 'Kubernetes controller manager',
        documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/',
        after: ['kube-apiserver.service'],
        type: 'simple',
        user: USER,
        command: programPath('kube-controller-manager'),
        flags: {
          'bind-address': '127.0.0.1',
          ...(requireSupport(spec.kubernetes).features.insecurePortFlags ? { port: '0' } : {}),
          profiling: 'false',
          // Starting, each of forty controllers asks for a token of its own; the default of 20 a second delays them all.
          'kube-api-burst': '150',
          'kube-api-qps': '100',
          kubeconfig: credential(KUBECONFIG),
          'authentication-kubeconfig': credential(KUBECONFIG),
          'authorization-kubeconfig': credential(KUBECONFIG),
          'allocate-node-cidrs': 'true',
          'client-ca-file': `${PKI}/ca.crt`,
          'cluster-cidr': spec.network.pods,
          'cluster-name': spec.name,
          // Signers for kubelets alone: nothing else is signed with the key that every client is known by.
          ...Object.fromEntries(
            signers.flatMap(({ purpose, certificate, key }) => [
              [`cluster-signing-kubelet-${purpose}-cert-file`, certificate],
              [`cluster-signing-kubelet-${purpose}-key-file`, credential(key)],
            ]),
          ),
          controllers: '*,tokencleaner',
          'leader-elect': 'true',
          'tls-cipher-suites': cipherSuites.join(','),
          'tls-min-version': 'VersionTLS12',
          'node-cidr-mask-size': String(spec.network.nodeMask),
          'requestheader-client-ca-file': `${PKI}/front-proxy-ca.crt`,
          'root-ca-file': `${PKI}/ca.crt`,
          'service-account-private-key-file': credential(`${PKI}/sa.key`),
          'service-cluster-ip-range': spec.network.services,
          'terminated-pod-gc-threshold': '1000',
          'use-service-account-credentials': 'true',
        },
        credentials: [KUBECONFIG, ...signers.map(({ key }) => key), `${PKI}/sa.key`],
        service: sandbox([]),
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), programPath('kube-controller-manager'), ...files.map((file) => file.path)],
        startTimeoutSeconds: 60,
      },
    ],
    ready: [
      {
        title: `the controller manager on ${host.name} is healthy`,
        // Its serving certificate is made in memory at each start, so there is no authority to check it against.
        command: 'curl -fsS --insecure https://127.0.0.1:10257/healthz',
        timeoutSeconds: 60,
      },
    ],
  };
}
