import { stringify } from 'yaml';
import type { HostState } from '../desired-state.js';
import { noTraces, nothing } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host } from '../spec.js';
import { requireSupport, type ProxyMode } from '../versions.js';
import { NODE_API_URL } from './api-endpoint.js';
import { removeRules } from './cleanups.js';
import { answersHttp } from './health.js';
import { BIN, directory, kubeconfigFile, textFile } from './files.js';
import { confined, unitFile, unitPath } from './systemd.js';

const UNIT = 'kube-proxy.service';
const CONFIG = '/var/lib/kube-proxy/config.yaml';
const KUBECONFIG = '/etc/kubernetes/proxy.conf';

/** How a host's kube-proxy works, and why; `problem` when the host cannot do what the spec asks for. */
export function proxyMode(spec: ClusterSpec, facts: HostFacts): { mode: ProxyMode; reason: string; problem?: string } {
  const asked = spec.network.proxyMode;
  const { nftablesProxy } = requireSupport(spec.kubernetes).features;
  if (asked === 'auto') {
    if (!nftablesProxy) return { mode: 'iptables', reason: `nftables is not stable in ${spec.kubernetes}` };
    return facts.nftables
      ? { mode: 'nftables', reason: 'the kernel has nf_tables' }
      : { mode: 'iptables', reason: 'the kernel has no nf_tables, or is older than 5.13' };
  }
  const missing = (asked === 'ipvs' && !facts.ipvs) || (asked === 'nftables' && !facts.nftables);
  return {
    mode: asked,
    reason: 'network.proxyMode asks for it',
    ...(missing ? { problem: `its kernel has no ${asked}; load its modules, or write network.proxyMode: auto` } : {}),
  };
}

/** What is decided on a node by what its kernel can do, in words for a person; nothing on other hosts. */
export function nodeChoices(spec: ClusterSpec, host: Pick<Host, 'roles'>, facts: HostFacts): string[] {
  if (!host.roles.includes('node')) return [];
  const { mode, reason } = proxyMode(spec, facts);
  return [`Services by ${mode} (${reason})`, `cgroup ${facts.cgroup} with the systemd driver`];
}

/** kube-proxy (seed, "配置kube-proxy组件"). */
export function kubeProxyState(spec: ClusterSpec, host: Host, facts: HostFacts): HostState {
  const { mode } = proxyMode(spec, facts);
  const files = [
    kubeconfigFile(KUBECONFIG, NODE_API_URL, `kube-proxy/${host.name}`),
    textFile(
      CONFIG,
      stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        // Given an address, it need not wait for its Node object in order to learn it.
        bindAddress: host.address,
        // A host may get another name when it boots (DHCP, cloud-init); its Node keeps this one.
        hostnameOverride: host.name,
        metricsBindAddress: '127.0.0.1:10249',
        healthzBindAddress: '127.0.0.1:10256',
        clientConnection: { kubeconfig: KUBECONFIG },
        clusterCIDR: spec.network.pods,
        mode,
        ...(mode === 'ipvs' ? { ipvs: { scheduler: 'rr' } } : {}),
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
        // It writes packet rules and the kernel's network settings, and iptables locks in /run.
        service: [...confined(['/run']), 'CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_MODULE'],
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
        command: answersHttp(10256, '/healthz'),
        timeoutSeconds: 60,
        // One that waits for ever for news of an API server gets them from another one.
        mend: `systemctl restart ${UNIT}`,
      },
    ],
    traces: {
      ...noTraces,
      paths: ['/run/xtables.lock'],
      // What either mode sets (kube-proxy, proxy/iptables and proxy/ipvs, NewProxier; app/conntrack.go).
      sysctls: [
        'net.ipv4.ip_forward',
        'net.ipv4.conf.all.route_localnet',
        'net.ipv4.conf.all.arp_ignore',
        'net.ipv4.conf.all.arp_announce',
        'net.bridge.bridge-nf-call-iptables',
        'net.netfilter.nf_conntrack_max',
        'net.netfilter.nf_conntrack_tcp_timeout_established',
        'net.netfilter.nf_conntrack_tcp_timeout_close_wait',
      ],
      cleanups: [{ title: 'remove the rules of Services', command: removeRules }],
    },
  };
}
