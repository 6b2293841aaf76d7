import { stringify } from 'yaml';
import type { DesiredFile, HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import { kubeletAuthorities } from '../pki.js';
import type { ClusterSpec, Host } from '../spec.js';
import { requireSupport } from '../versions.js';
import { API_PORT, hostsWithRole, usesKonnectivity } from '../topology.js';
import { admissionConfiguration, auditPolicy, authenticationConfiguration } from './api-policies.js';
import { OWN_API_SERVER, PKI, programPath } from './control-plane.js';
import { etcdClientUrl } from './etcd.js';
import { certificateFile, directory, keyFile, textFile } from './files.js';
import { egressSelector, KONNECTIVITY_GROUP } from './konnectivity.js';
import { credential, sandbox, unitFile, unitPath } from './systemd.js';
import { cipherSuites } from './tls.js';

const UNIT = 'kube-apiserver.service';
/** Of its own: who takes over one program of the control plane does not find the keys of another. */
const USER = 'kube-apiserver';
const AUDIT_POLICY = '/etc/kubernetes/audit-policy.yaml';
const AUDIT_LOGS = '/var/log/kubernetes';
const AUTHENTICATION = '/etc/kubernetes/authentication.yaml';
const ADMISSION = '/etc/kubernetes/admission.yaml';
const EGRESS = '/etc/kubernetes/egress-selector.yaml';

/** The keys that encrypt Secrets in etcd. */
export const ENCRYPTION = '/etc/kubernetes/encryption.yaml';

/**
 * One API server (seed, "配置api server组件"): the seed's flags, less its token file (bootstrap-token Secrets expire, the
 * file's do not) and its CA key as service-account key (a key pair of its own instead).
 */
export function kubeApiserverState(spec: ClusterSpec, host: Host): HostState {
  const { features } = requireSupport(spec.kubernetes);
  const konnectivity = usesKonnectivity(host);
  const files = [
    certificateFile(`${PKI}/ca.crt`, 'kubernetes-ca'),
    certificateFile(`${PKI}/kubelet-serving-ca.crt`, kubeletAuthorities.serving),
    certificateFile(`${PKI}/etcd-ca.crt`, 'etcd-ca'),
    certificateFile(`${PKI}/front-proxy-ca.crt`, 'front-proxy-ca'),
    certificateFile(`${PKI}/apiserver.crt`, `kube-apiserver/${host.name}`),
    keyFile(`${PKI}/apiserver.key`, `kube-apiserver/${host.name}`),
    certificateFile(`${PKI}/apiserver-etcd-client.crt`, `apiserver-etcd-client/${host.name}`),
    keyFile(`${PKI}/apiserver-etcd-client.key`, `apiserver-etcd-client/${host.name}`),
    certificateFile(`${PKI}/apiserver-kubelet-client.crt`, `apiserver-kubelet-client/${host.name}`),
    keyFile(`${PKI}/apiserver-kubelet-client.key`, `apiserver-kubelet-client/${host.name}`),
    certificateFile(`${PKI}/front-proxy-client.crt`, `front-proxy-client/${host.name}`),
    keyFile(`${PKI}/front-proxy-client.key`, `front-proxy-client/${host.name}`),
    {
      path: `${PKI}/sa.pub`,
      mode: 0o644,
      owner: 'root:root',
      content: { kind: 'public-key', key: 'service-account' } as const,
    },
    keyFile(`${PKI}/sa.key`, 'service-account'),
    { path: ENCRYPTION, mode: 0o600, owner: 'root:root', content: { kind: 'encryption-config' } as const },
    policyFile(AUDIT_POLICY, auditPolicy()),
    ...(features.anonymousByPath ? [policyFile(AUTHENTICATION, authenticationConfiguration())] : []),
    ...(features.podSecurity ? [policyFile(ADMISSION, admissionConfiguration())] : []),
    ...(konnectivity ? [egressSelector(EGRESS)] : []),
  ];
  const keys = files.flatMap(({ path, content }) => (content.kind === 'private-key' ? [path] : []));
  return {
    ...nothing,
    accounts: [USER, ...(konnectivity ? [KONNECTIVITY_GROUP] : [])].map((name) => ({ name })),
    directories: [directory('/etc/kubernetes'), directory(PKI), directory(AUDIT_LOGS, `${USER}:${USER}`, 0o700)],
    files: [
      ...files,
      unitFile(UNIT, {
        description: 'Kubernetes API server',
        documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/',
        after: ['etcd.service'],
        type: 'notify',
        user: USER,
        command: programPath('kube-apiserver'),
        startTimeoutSeconds: 120,
        flags: {
          'advertise-address': host.address,
          'secure-port': String(API_PORT),
          ...(features.insecurePortFlags ? { 'insecure-port': '0' } : {}),
          'allow-privileged': 'true',
          'authorization-mode': 'Node,RBAC',
          'enable-admission-plugins': [
            'NodeRestriction',
            ...(features.denyServiceExternalIPs ? ['DenyServiceExternalIPs'] : []),
          ].join(','),
          ...(features.podSecurity ? { 'admission-control-config-file': ADMISSION } : {}),
          ...(features.anonymousByPath ? { 'authentication-config': AUTHENTICATION } : {}),
          'audit-policy-file': AUDIT_POLICY,
          'audit-log-path': `${AUDIT_LOGS}/audit.log`,
          // Days, files, and MB a file: 1.1 GB at most.
          'audit-log-maxage': '30',
          'audit-log-maxbackup': '10',
          'audit-log-maxsize': '100',
          ...(konnectivity ? { 'egress-selector-config-file': EGRESS } : {}),
          // Webhooks and aggregated APIs are asked at the addresses of their pods, for masters have no kube-proxy.
          'enable-aggregator-routing': 'true',
          'enable-bootstrap-token-auth': 'true',
          profiling: 'false',
          'client-ca-file': `${PKI}/ca.crt`,
          'encryption-provider-config': credential(ENCRYPTION),
          'etcd-servers': etcdServers(spec, host).join(','),
          'etcd-cafile': `${PKI}/etcd-ca.crt`,
          'etcd-certfile': `${PKI}/apiserver-etcd-client.crt`,
          'etcd-keyfile': credential(`${PKI}/apiserver-etcd-client.key`),
          'kubelet-certificate-authority': `${PKI}/kubelet-serving-ca.crt`,
          'kubelet-client-certificate': `${PKI}/apiserver-kubelet-client.crt`,
          'kubelet-client-key': credential(`${PKI}/apiserver-kubelet-client.key`),
          'kubelet-preferred-address-types': 'InternalIP,ExternalIP,Hostname',
          'proxy-client-cert-file': `${PKI}/front-proxy-client.crt`,
          'proxy-client-key-file': credential(`${PKI}/front-proxy-client.key`),
          'requestheader-allowed-names': 'front-proxy-client',
          'requestheader-client-ca-file': `${PKI}/front-proxy-ca.crt`,
          'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
          'requestheader-group-headers': 'X-Remote-Group',
          'requestheader-username-headers': 'X-Remote-User',
          // A token that was taken out of a pod is worth an hour, not a year.
          'service-account-extend-token-expiration': 'false',
          'service-account-issuer': `https://kubernetes.default.svc.${spec.network.dnsDomain}`,
          'service-account-key-file': `${PKI}/sa.pub`,
          'service-account-signing-key-file': credential(`${PKI}/sa.key`),
          'service-cluster-ip-range': spec.network.services,
          'service-node-port-range': spec.network.nodePorts,
          ...(features.shutdownRetryAfter ? { 'shutdown-send-retry-after': 'true' } : {}),
          'tls-cipher-suites': cipherSuites.join(','),
          'tls-min-version': 'VersionTLS12',
          'tls-cert-file': `${PKI}/apiserver.crt`,
          'tls-private-key-file': credential(`${PKI}/apiserver.key`),
        },
        credentials: [...keys, ENCRYPTION],
        // It keeps no state: what is not answered by then is asked again, of another server.
        service: [
          ...sandbox([AUDIT_LOGS]),
          'TimeoutStopSec=20',
          ...(konnectivity ? [`SupplementaryGroups=${KONNECTIVITY_GROUP}`] : []),
        ],
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), programPath('kube-apiserver'), ...files.map((file) => file.path)],
        startTimeoutSeconds: 130,
      },
    ],
    ready: [
      {
        title: `the API server on ${host.name} is ready`,
        command: `curl -fsS --cacert ${PKI}/ca.crt ${OWN_API_SERVER}/readyz`,
        timeoutSeconds: 90,
      },
    ],
  };
}

function policyFile(path: string, policy: object): DesiredFile {
  return textFile(path, stringify(policy), 'root:root', 0o644);
}

/**
 * The host's own member, where it has one. With all of them, an API server goes on asking one whose host lost its power:
 * its client takes them in turn, finds out after 10 s, and for each resource anew. A server whose own member is gone is
 * not ready, and whoever asks goes to another.
 */
function etcdServers(spec: ClusterSpec, host: Host): string[] {
  const members = hostsWithRole(spec, 'etcd');
  const own = members.filter((member) => member.name === host.name);
  return (own.length > 0 ? own : members).map(etcdClientUrl);
}
