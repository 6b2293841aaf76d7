import { type Description, imageReference } from '../artifacts.js';
import type { ClusterSpec } from '../spec.js';
import { dnsServiceAddress, hostsWithRole } from '../topology.js';
import { clusterRoleBinding, serviceAccount, tolerations, type Manifest } from './manifest.js';

const NAMESPACE = 'kube-system';
const labels = { 'k8s-app': 'kube-dns' };

/** CoreDNS (seed, "CoreDNS"): `kube-dns` at the tenth service address, one replica a node and two where there are two. */
export function coredns({ spec, lock }: Description): Manifest[] {
  const metadata = { name: 'coredns', namespace: NAMESPACE };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    clusterRoleBinding('system:coredns', 'system:coredns', serviceAccount(NAMESPACE, 'coredns')),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: corefile(spec) } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: NAMESPACE, labels },
      spec: {
        selector: labels,
        clusterIP: dnsServiceAddress(spec),
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
          { name: 'metrics', port: 9153, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, labels },
      spec: {
        replicas: Math.min(2, hostsWithRole(spec, 'node').length),
        // No surge: replicas must not share a node, and there may be no third.
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(imageReference(lock, 'coredns')) },
      },
    },
  ];
}

function podSpec(image: string): object {
  return {
    priorityClassName: 'system-cluster-critical',
    serviceAccountName: 'coredns',
    dnsPolicy: 'Default',
    tolerations,
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
    containers: [
      {
        name: 'coredns',
        image,
        args: ['-conf', '/etc/coredns/Corefile'],
        resources: { requests: { cpu: '100m', memory: '70Mi' }, limits: { memory: '170Mi' } },
        ports: [
          { containerPort: 53, name: 'dns', protocol: 'UDP' },
          { containerPort: 53, name: 'dns-tcp', protocol: 'TCP' },
          { containerPort: 9153, name: 'metrics', protocol: 'TCP' },
        ],
        livenessProbe: { httpGet: { path: '/health', port: 8080 }, initialDelaySeconds: 60, failureThreshold: 5 },
        readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 2 },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { add: ['NET_BIND_SERVICE'], drop: ['all'] },
          readOnlyRootFilesystem: true,
        },
        volumeMounts: [{ name: 'config', mountPath: '/etc/coredns', readOnly: true }],
      },
    ],
    volumes: [{ name: 'config', configMap: { name: 'coredns', items: [{ key: 'Corefile', path: 'Corefile' }] } }],
  };
}

/**
 * Upstream's Corefile, but that an address has a name as a pod only where such a pod is: with `insecure`, anybody's
 * address has a name in every namespace. The pods cost CoreDNS 4 kB each (coredns/deployment, Scaling_CoreDNS.md). A
 * block's braces stand on lines of their own, as CoreDNS demands.
 */
function corefile(spec: ClusterSpec): string {
  return `.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes ${spec.network.dnsDomain} in-addr.arpa ip6.arpa {
        pods verified
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
`;
}
