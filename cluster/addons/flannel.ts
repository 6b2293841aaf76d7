import { type Description, imageReference } from '../artifacts.js';
import { API_PROXY_PORT } from '../topology.js';
import { clusterRoleBinding, serviceAccount, type Manifest } from './manifest.js';

const NAMESPACE = 'kube-flannel';
const labels = { app: 'flannel' };

/** Waits up to a minute for the node's subnet, then puts the CNI configuration in place in one move. */
const installCni = `
n=0
until [ -s /run/flannel/subnet.env ]; do
  n=$((n + 1)); [ $n -lt 300 ] || exit 1
  sleep 0.2
done
cp /etc/kube-flannel/cni-conf.json /etc/cni/net.d/.10-flannel.conflist.new &&
chmod 600 /etc/cni/net.d/.10-flannel.conflist.new &&
mv /etc/cni/net.d/.10-flannel.conflist.new /etc/cni/net.d/10-flannel.conflist
`;

/**
 * flannel (seed, "flannel"): vxlan, with direct routes between hosts of one subnet. It reaches the API through the
 * node's own proxy, so that the pod network does not wait for the Service network.
 */
export function flannel({ spec, lock }: Description): Manifest[] {
  const image = imageReference(lock, 'flannel');
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
    },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'flannel', namespace: NAMESPACE } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'flannel' },
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
        { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
        { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
      ],
    },
    clusterRoleBinding('flannel', 'flannel', serviceAccount(NAMESPACE, 'flannel')),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-flannel-cfg', namespace: NAMESPACE },
      data: {
        'cni-conf.json': JSON.stringify({
          name: 'cbr0',
          cniVersion: '0.3.1',
          plugins: [
            { type: 'flannel', delegate: { hairpinMode: true, isDefaultGateway: true } },
            { type: 'portmap', capabilities: { portMappings: true } },
          ],
        }),
        'net-conf.json': JSON.stringify({
          Network: spec.network.pods,
          Backend: { Type: 'vxlan', DirectRouting: true },
        }),
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'kube-flannel-ds', namespace: NAMESPACE, labels },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            hostNetwork: true,
            priorityClassName: 'system-node-critical',
            serviceAccountName: 'flannel',
            // A node that evicts pods needs its network until the last one has gone.
            tolerations: [{ operator: 'Exists' }],
            containers: [
              {
                name: 'kube-flannel',
                image,
                command: ['/opt/bin/flanneld'],
                args: ['--ip-masq', '--kube-subnet-mgr', '--iface=$(NODE_ADDRESS)'],
                env: [
                  { name: 'NODE_ADDRESS', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
                  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                  { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
                  { name: 'KUBERNETES_SERVICE_HOST', value: '127.0.0.1' },
                  { name: 'KUBERNETES_SERVICE_PORT', value: String(API_PROXY_PORT) },
                ],
                // The kubelet calls a node Ready once this file is there: not before flannel can serve pods. A probe is
                // made again by a kubelet that was restarted in between, as every one is that joins; a hook is not.
                startupProbe: {
                  exec: { command: ['sh', '-c', installCni] },
                  periodSeconds: 1,
                  timeoutSeconds: 70,
                  failureThreshold: 3,
                },
                resources: { requests: { cpu: '100m', memory: '50Mi' } },
                securityContext: { privileged: false, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
                volumeMounts: [
                  { name: 'run', mountPath: '/run/flannel' },
                  { name: 'cni', mountPath: '/etc/cni/net.d' },
                  { name: 'flannel-cfg', mountPath: '/etc/kube-flannel/' },
                  { name: 'xtables-lock', mountPath: '/run/xtables.lock' },
                ],
              },
            ],
            volumes: [
              { name: 'run', hostPath: { path: '/run/flannel', type: 'DirectoryOrCreate' } },
              { name: 'cni', hostPath: { path: '/etc/cni/net.d', type: 'DirectoryOrCreate' } },
              { name: 'flannel-cfg', configMap: { name: 'kube-flannel-cfg' } },
              { name: 'xtables-lock', hostPath: { path: '/run/xtables.lock', type: 'FileOrCreate' } },
            ],
          },
        },
      },
    },
  ];
}
