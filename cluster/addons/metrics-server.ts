import type { ClusterSpec } from '../spec.js';
import { requireSupport } from '../versions.js';
import { clusterRoleBinding, serviceAccount, tolerations, type Manifest } from './manifest.js';

const NAMESPACE = 'kube-system';
const NAME = 'metrics-server';
const labels = { 'k8s-app': NAME };
const PORT = 10250;

/**
 * metrics-server, for `kubectl top` and autoscalers; nothing where no release fits the version.
 * It checks kubelets by the cluster's own authority, which signed their serving certificates.
 */
export function metricsServer(spec: ClusterSpec): Manifest[] {
  const image = requireSupport(spec.kubernetes).metricsServerImage;
  if (image === undefined) return [];
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
        template: { metadata: { labels }, spec: podSpec(image) },
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
        // Its certificate is made at each start, as upstream has it.
        insecureSkipTLSVerify: true,
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
          '--cert-dir=/tmp',
          `--secure-port=${PORT}`,
          '--kubelet-preferred-address-types=InternalIP',
          '--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
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
        volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
      },
    ],
    volumes: [{ name: 'tmp', emptyDir: {} }],
  };
}
