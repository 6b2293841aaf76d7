import { type Description, imageReference } from '../artifacts.js';
import { requireSupport } from '../versions.js';
import { METRICS_SERVER_CERTIFICATE, kubeletAuthorities } from '../pki.js';
import { clusterRoleBinding, IssuedPem, serviceAccount, tolerations, type Manifest } from './manifest.js';

const NAMESPACE = 'kube-system';
const NAME = 'metrics-server';
const labels = { 'k8s-app': NAME };
const PORT = 10250;

const CERTIFICATES = '/etc/metrics-server';
/** What is mounted there. */
const KUBELET_AUTHORITY = 'kubelet-serving-ca.crt';

/**
 * metrics-server, for `kubectl top` and autoscalers; nothing where no release fits the version. It knows kubelets by the
 * authority that signed their serving certificates, and API servers know it by an authority of its own.
 */
export function metricsServer({ spec, lock }: Description): Manifest[] {
  if (!requireSupport(spec.kubernetes).metricsServer) return [];
  const metadata = { name: NAME, namespace: NAMESPACE, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: {
        name: 'system:aggregated-metrics-reader',
        labels: {
          'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
          'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
          'rbac.authorization.k8s.io/aggregate-to-view': 'true',
        },
      },
      rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:metrics-server' },
      rules: [
        { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
        { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
      ],
    },
    clusterRoleBinding('system:metrics-server', 'system:metrics-server', serviceAccount(NAMESPACE, NAME)),
    clusterRoleBinding(
      'metrics-server:system:auth-delegator',
      'system:auth-delegator',
      serviceAccount(NAMESPACE, NAME),
    ),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'metrics-server-auth-reader', namespace: NAMESPACE },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'Role',
        name: 'extension-apiserver-authentication-reader',
      },
      subjects: [serviceAccount(NAMESPACE, NAME)],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      type: 'kubernetes.io/tls',
      data: {
        'tls.crt': new IssuedPem({ kind: 'certificate', certificate: METRICS_SERVER_CERTIFICATE }, 'base64'),
        'tls.key': new IssuedPem({ kind: 'private-key', key: METRICS_SERVER_CERTIFICATE }, 'base64'),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata,
      data: {
        [KUBELET_AUTHORITY]: new IssuedPem({ kind: 'certificate', certificate: kubeletAuthorities.serving }, 'text'),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 'https' }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(imageReference(lock, 'metrics-server')) },
      },
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.metrics.k8s.io', labels },
      spec: {
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        caBundle: new IssuedPem({ kind: 'certificate', certificate: 'metrics-server-ca' }, 'base64'),
        service: { name: NAME, namespace: NAMESPACE, port: 443 },
      },
    },
  ];
}

function podSpec(image: string): object {
  return {
    priorityClassName: 'system-cluster-critical',
    serviceAccountName: NAME,
    tolerations,
    containers: [
      {
        name: NAME,
        image,
        args: [
          // Both are read again when they change.
          `--tls-cert-file=${CERTIFICATES}/tls.crt`,
          `--tls-private-key-file=${CERTIFICATES}/tls.key`,
          `--secure-port=${PORT}`,
          '--kubelet-preferred-address-types=InternalIP',
          `--kubelet-certificate-authority=${CERTIFICATES}/${KUBELET_AUTHORITY}`,
          '--metric-resolution=15s',
        ],
        ports: [{ containerPort: PORT, name: 'https', protocol: 'TCP' }],
        readinessProbe: { httpGet: { path: '/readyz', port: 'https', scheme: 'HTTPS' }, periodSeconds: 3 },
        livenessProbe: { httpGet: { path: '/livez', port: 'https', scheme: 'HTTPS' }, initialDelaySeconds: 20 },
        resources: { requests: { cpu: '100m', memory: '100Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 1000,
        },
        volumeMounts: [{ name: 'certificates', mountPath: CERTIFICATES, readOnly: true }],
      },
    ],
    volumes: [
      {
        name: 'certificates',
        projected: { defaultMode: 0o440, sources: [{ secret: { name: NAME } }, { configMap: { name: NAME } }] },
      },
    ],
    // The group that the files of the volume belong to, which only root may read otherwise.
    securityContext: { fsGroup: 1000 },
  };
}
