import { stringify } from 'yaml';
import type { HostState } from '../desired-state.js';
import { nothing } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host } from '../spec.js';
import { nodeApiUrl } from './api-endpoint.js';
import { BIN, directory, kubeconfigFile, textFile } from './files.js';
import { unitFile, unitPath } from './systemd.js';

const UNIT = 'kube-proxy.service';
const CONFIG = '/var/lib/kube-proxy/config.yaml';
const KUBECONFIG = '/etc/kubernetes/proxy.conf';

/** ipvs, as in the seed, where the kernel has it; else iptables, to which 1.20 would fall back without a word. */
export function proxyMode(facts: HostFacts): 'ipvs' | 'iptables' {
  return facts.ipvs ? 'ipvs' : 'iptables';
}

/** kube-proxy (seed, "配置kube-proxy组件"). */
export function kubeProxyState(spec: ClusterSpec, host: Host, facts: HostFacts): HostState {
  const files = [
    kubeconfigFile(KUBECONFIG, nodeApiUrl(spec), `kube-proxy/${host.name}`),
    textFile(
      CONFIG,
      stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        // Given an address, it need not wait for its Node object in order to learn it.
        bindAddress: host.address,
        metricsBindAddress: '127.0.0.1:10249',
        healthzBindAddress: '127.0.0.1:10256',
        clientConnection: { kubeconfig: KUBECONFIG },
        clusterCIDR: spec.network.pods,
        mode: proxyMode(facts),
        ipvs: { scheduler: 'rr' },
        // A system container may not resize the kernel's table.
        ...(spec.hostKind === 'container' ? { conntrack: { maxPerCore: 0 } } : {}),
      }),
    ),
  ];
  return {
    ...nothing,
    directories: [directory('/etc/kubernetes'), directory('/var/lib/kube-proxy')],
    files: [
      ...files,
      unitFile(UNIT, {
        description: 'Kubernetes Service proxy',
        documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/',
        after: ['kube-api-proxy.service'],
        type: 'simple',
        command: `${BIN}/kube-proxy`,
        flags: { config: CONFIG },
      }),
    ],
    units: [
      {
        name: UNIT,
        enabled: true,
        running: true,
        restartOn: [unitPath(UNIT), `${BIN}/kube-proxy`, ...files.map((file) => file.path)],
        startTimeoutSeconds: 30,
      },
    ],
    ready: [
      {
        title: `kube-proxy on ${host.name} is healthy`,
        command: 'curl -fsS http://127.0.0.1:10256/healthz >/dev/null',
        timeoutSeconds: 60,
      },
    ],
  };
}
