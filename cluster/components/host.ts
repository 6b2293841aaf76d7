import type { HostState } from '../desired-state.js';
import { noTraces, nothing } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host } from '../spec.js';
import { apiName, fullName, hostsWithRole } from '../topology.js';
import { textFile } from './files.js';
import { proxyMode } from './kube-proxy.js';

/** Programs that the kubelet, kube-proxy and the API proxy call or are, by their Debian/Ubuntu package. */
const nodePackages = ['conntrack', 'ebtables', 'ethtool', 'haproxy', 'ipset', 'iptables', 'socat'];

/** What the kubelet wants of the kernel, and with protectKernelDefaults does not set by itself (pkg/util/sysctl). */
const kubeletKernel = {
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.keys.root_maxbytes': '25000000',
};

/**
 * The host itself (seed, "规划": host names, /etc/hosts, time, kernel parameters and limits).
 *
 * /etc/hosts names the etcd and control-plane hosts, this host and the API: adding a node changes no other host.
 */
export function hostState(spec: ClusterSpec, host: Host, facts: HostFacts): HostState {
  const isNode = host.roles.includes('node');
  // Packages of time services exclude each other: chrony would take away the one that runs, for good.
  const chrony = spec.hostKind === 'machine' && facts.timeService === undefined;
  const named = new Set([...hostsWithRole(spec, 'etcd'), ...hostsWithRole(spec, 'control-plane'), host]);
  const hostLines = [...named].map((h) => `${h.address} ${fullName(spec, h)} ${h.name}`);
  return {
    ...nothing,
    packages: [
      ...(isNode ? nodePackages : []),
      ...(isNode && proxyMode(spec, facts).mode === 'nftables' ? ['nftables'] : []),
      ...(chrony ? ['chrony'] : []),
      // Asks the control plane's programs whether they are well.
      ...(host.roles.includes('control-plane') ? ['curl'] : []),
    ],
    files: [
      textFile('/etc/hostname', `${host.name}\n`, 'root:root', 0o644),
      {
        path: '/etc/hosts',
        mode: 0o644,
        owner: 'root:root',
        // For people and their programs: no component depends on a line of this file, which may be gone after a reboot.
        // The API is behind this address on every host: its own API server on a master, the proxy on a node.
        content: { kind: 'block', text: [...hostLines, `127.0.0.1 ${apiName(spec)}`, ''].join('\n') },
      },
    ],
    kernel: {
      modules: isNode
        ? [
            { name: 'overlay', evidence: '/sys/module/overlay' },
            { name: 'br_netfilter', evidence: '/proc/sys/net/bridge/bridge-nf-call-iptables' },
            { name: 'nf_conntrack', evidence: '/proc/sys/net/netfilter/nf_conntrack_max' },
            { name: 'vxlan', evidence: '/sys/module/vxlan' },
          ]
        : [],
      sysctls: {
        'kernel.hostname': host.name,
        'fs.inotify.max_user_instances': '8192',
        'fs.inotify.max_user_watches': '524288',
        ...(isNode
          ? {
              'net.ipv4.ip_forward': '1',
              'net.bridge.bridge-nf-call-iptables': '1',
              // Else a connection from a node may hold the very port that a Service of type NodePort is given.
              'net.ipv4.ip_local_reserved_ports': kernelRange(spec.network.nodePorts),
              ...kubeletKernel,
            }
          : {}),
      },
    },
    units: [
      ...(chrony
        ? [{ name: 'chrony.service', enabled: true, running: true, restartOn: [], startTimeoutSeconds: 30 }]
        : []),
      // The API proxy has a unit of its own, confined and as nobody; the distribution's would run beside it as root.
      ...(isNode
        ? [
            {
              name: 'haproxy.service',
              enabled: false,
              running: false,
              broughtBy: 'haproxy',
              restartOn: [],
              startTimeoutSeconds: 30,
            },
          ]
        : []),
    ],
    traces: {
      ...noTraces,
      // Packages make these when they are installed, or when their service starts, and purging leaves them.
      paths: isNode ? ['/var/lib/haproxy', '/run/haproxy', '/run/haproxy-master.sock', '/run/haproxy.pid'] : [],
      accounts: [...(isNode ? ['haproxy'] : []), ...(chrony ? ['_chrony'] : [])],
    },
  };
}

/** A range as the kernel prints it: one port alone has no dash. */
function kernelRange(range: string): string {
  const [low, high] = range.split('-').map(Number);
  return low === high ? String(low) : `${String(low)}-${String(high)}`;
}
