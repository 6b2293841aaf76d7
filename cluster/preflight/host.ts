import { parseIpv4 } from '../network.js';
import type { ClusterSpec, Host, Role } from '../spec.js';
import type { Findings, Report } from './report.js';

/** The first systemd that hands a service its credentials (LoadCredential), which is how the control plane gets its keys. */
const SYSTEMD = 247;

/**
 * What must be free where programs, images and data go: MiB, and the parts of a disk below which a kubelet takes no pods,
 * evicts those it has and deletes images, in per cent (Kubernetes: node-pressure eviction, hard eviction defaults of
 * imagefs.available, nodefs.available and nodefs.inodesFree).
 */
const space: readonly { role?: Role; path: string; mib: number; percent?: number; inodes?: number }[] = [
  { path: '/usr/local/bin', mib: 1024 },
  { role: 'etcd', path: '/var/lib/etcd', mib: 2048 },
  { role: 'node', path: '/var/lib/containerd', mib: 2048, percent: 15 },
  { role: 'node', path: '/var/lib/kubelet', mib: 512, percent: 10, inodes: 5 },
];

/** Whether the host itself is one that can be deployed to. */
export function judgeHost(spec: ClusterSpec, host: Host, report: Report): Findings {
  const isNode = host.roles.includes('node');
  const devices = report.all('swap').map(([device = '']) => device);
  const swap = `swap is on (${devices.join(', ')}): what ${isNode ? 'pods keep in memory, Secrets' : 'programs keep in memory, keys'} too, may reach the disk`;
  // A kubelet does not start there unless it is told to (failSwapOn).
  const refused = isNode && report.has('swap') && !spec.allowSwap;
  return {
    problems: [
      ...notRoot(report),
      ...unfitSystem(spec, report),
      ...fullDisks(host, report),
      ...wrongAddress(host, report),
      ...(isNode ? [...nameServers(report), ...noOpenssl(report)] : []),
      ...(refused ? [`${swap}; turn it off (swapoff -a) and out of /etc/fstab, or write allowSwap: true`] : []),
    ],
    notes: report.has('swap') && !refused ? [swap] : [],
  };
}

/** What only root may do must be allowed. */
export function notRoot(report: Report): string[] {
  const user = report.word('user');
  if (user === '0') return [];
  return [`commands run as user ${user}; root is needed; allow passwordless sudo or set ssh.user: root`];
}

function unfitSystem(spec: ClusterSpec, report: Report): string[] {
  const problems: string[] = [];
  const family = report.all('like')[0] ?? [];
  if (!(family.includes('debian') || family.includes('ubuntu')) || !report.has('apt')) {
    problems.push(
      `its distribution is ${family[0] ?? 'unknown'}; Debian or Ubuntu, or one like them with apt, is needed; install Debian 12 or Ubuntu 24.04`,
    );
  }
  const init = report.word('init');
  const systemd = report.word('systemd');
  if (init !== 'systemd') {
    problems.push(`its first process is ${init}; systemd is needed; use a distribution with systemd`);
  } else if (Number(systemd) < SYSTEMD) {
    problems.push(
      `has systemd ${systemd}; ${SYSTEMD} or newer is needed (Debian 11, Ubuntu 22.04); use a newer distribution`,
    );
  }
  const container = report.word('container');
  if (container !== '' && container !== 'none' && spec.hostKind === 'machine') {
    problems.push(`is a system container (${container}) but hostKind is machine; write hostKind: container`);
  }
  return problems;
}

/** What tells the public half of the key with which the kubelet asks (activities/kubelet-identity.ts). */
function noOpenssl(report: Report): string[] {
  if (report.has('openssl')) return [];
  return [
    'openssl is missing; it holds a certificate request against the key of its host; install the package openssl',
  ];
}

function fullDisks(host: Host, report: Report): string[] {
  return space
    .filter(({ role }) => role === undefined || host.roles.includes(role))
    .flatMap(({ path, mib, percent = 0, inodes = 0 }) => {
      const [, mount = '', freeMib = '', freePercent = '', freeInodes = ''] =
        report.all('space').find(([at]) => at === path) ?? [];
      const disk = `the disk of ${path} (mounted on ${mount})`;
      return [
        ...(Number(freeMib) < mib ? [`${disk} has ${freeMib} MiB free; ${mib} MiB are needed; free some space`] : []),
        ...(Number(freePercent) < percent
          ? [
              `${disk} has ${freePercent} % free; below ${percent} % a kubelet takes no pods and evicts others; free some space`,
            ]
          : []),
        // A file system that has inodes without number says nothing.
        ...(freeInodes !== '' && Number(freeInodes) < inodes
          ? [`${disk} has ${freeInodes} % of its inodes free; below ${inodes} % a kubelet takes no pods; remove files`]
          : []),
      ];
    });
}

/** etcd, the API server and the kubelet bind to the address: one that a router or a cloud translates is nobody's to bind to. */
function wrongAddress(host: Host, report: Report): string[] {
  const own = report.all('address').map(([address = '']) => address);
  if (own.includes(host.address)) return [];
  return [
    `has no address ${host.address}, only ${own.filter((address) => !address.startsWith('127.')).join(', ') || 'none'}; etcd and the API server cannot listen on another host's or a translated address; write the address that "ip addr" shows on the host`,
  ];
}

/** Cluster DNS asks the servers of its node: one on the node itself would be the pod, and ask itself for ever. */
function nameServers(report: Report): string[] {
  const file = report.word('resolvConf') || '/etc/resolv.conf';
  const servers = report.all('nameserver').map(([server = '']) => server);
  if (servers.length === 0) {
    return [
      `${file} names no name server; cluster DNS asks the ones of its node and does not start without; add a nameserver line`,
    ];
  }
  const own = servers.filter(isOwn);
  if (own.length === 0) return [];
  return [
    `${file} names ${own.join(', ')} as name server; in a pod that is the pod itself, and cluster DNS would ask itself in a circle; name the servers that this one asks`,
  ];
}

function isOwn(server: string): boolean {
  const number = parseIpv4(server);
  return server === '::1' || (number !== undefined && (number >>> 24 === 127 || number === 0));
}
