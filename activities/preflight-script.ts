import { BIN } from '../cluster/components/files.js';
import { ENCRYPTION } from '../cluster/components/kube-apiserver.js';
import type { ClusterSpec, Host, Role } from '../cluster/spec.js';
import { hasKonnectivityAgent, usesKonnectivity } from '../cluster/topology.js';

/** Ports that each role's programs listen on, with the program that may have them already. */
const ports: Readonly<Record<Role, readonly (readonly [number, string])[]>> = {
  etcd: [
    [2379, 'etcd'],
    [2380, 'etcd'],
  ],
  'control-plane': [
    [6443, 'kube-apiserver'],
    [10257, 'kube-controller'],
    [10259, 'kube-scheduler'],
  ],
  node: [
    [7443, 'haproxy'],
    [10250, 'kubelet'],
    [10256, 'kube-proxy'],
  ],
};

/** The same for konnectivity, which not every host of a role has; the kernel cuts a program's name after 15 letters. */
const konnectivityServerPorts = [8132, 8133, 8134].map((port) => [port, 'konnectivity-se'] as const);
const konnectivityAgentPorts = [
  [8132, 'haproxy'],
  [8093, 'konnectivity-ag'],
  [8094, 'konnectivity-ag'],
] as const;

/** Every port that the host's programs listen on, with the program that may have it already. */
function portsOf(spec: ClusterSpec, host: Host): (readonly [number, string])[] {
  return [
    ...host.roles.flatMap((role) => ports[role]),
    ...(usesKonnectivity(host) ? konnectivityServerPorts : []),
    ...(hasKonnectivityAgent(spec, host) ? konnectivityAgentPorts : []),
  ];
}

/** Free space that programs, images and data need, in MiB. */
const DISK_MIB = 2048;

/**
 * Free part of the disk below which a kubelet takes no pods, evicts those it has and deletes images, in per cent
 * (Kubernetes: node-pressure eviction, default of imagefs.available).
 */
const NODE_DISK_PERCENT = 15;

/** The first systemd that hands a service its credentials (LoadCredential), which is how the control plane gets its keys. */
const SYSTEMD = 247;

/** What tells which version a host runs. */
const versioned = ['kube-apiserver', 'kubelet'];

/** Marks of an earlier cluster, whose authority must be ours. */
export const authorityFiles = [
  ['/etc/kubernetes/pki/ca.crt', 'kubernetes-ca'],
  ['/etc/etcd/pki/ca.crt', 'etcd-ca'],
] as const;

/** Looks at everything that could stop a deployment, changes nothing, and prints `key value` lines. */
export function preflightScript(): string {
  return `
echo "user $(id -u)"
echo "init $(cat /proc/1/comm)"
echo "systemd $(systemctl --version | awk 'NR == 1 { print $2 }')"
echo "clock $(date +%s%3N)"
echo "container $(systemd-detect-virt --container || true)"
echo "disk $(df -Pm /var | awk 'NR == 2 { print $4, int(100 * $4 / $2) }')"
for file in ${authorityFiles.map(([path]) => path).join(' ')}; do
  [ ! -f "$file" ] || echo "authority $file $(sha256sum < "$file" | cut -d' ' -f1)"
done
[ ! -f ${ENCRYPTION} ] || echo encryption
for program in ${versioned.join(' ')}; do
  [ ! -x "${BIN}/$program" ] || echo "runs $program $("${BIN}/$program" --version 2>/dev/null | cut -d ' ' -f 2)"
done
[ ! -d /var/lib/etcd/member ] || echo "etcd-data /var/lib/etcd"
ss -Hltnp | awk '{ n = split($4, a, ":"); match($0, /\\(\\("[^"]*"/); print "port", a[n], substr($0, RSTART + 3, RLENGTH - 4) }'
`;
}

export interface PreflightAnswer {
  readonly problems: string[];
  /** The host's clock, Unix time in milliseconds. */
  readonly clockMs: number;
}

/**
 * Judges what {@link preflightScript} printed.
 *
 * @param authorities - sha256 of the store's authorities by name; absent where the store has none
 * @param hasEncryptionKey - whether the store has the key of the cluster's Secrets
 */
export function judgePreflight(
  spec: ClusterSpec,
  host: Host,
  output: string,
  authorities: ReadonlyMap<string, string>,
  hasEncryptionKey: boolean,
): PreflightAnswer {
  const lines = output.split('\n').map((line) => line.split(' '));
  const value = (key: string, word = 1): string => lines.find(([name]) => name === key)?.[word] ?? '';
  const problems = notRoot(value('user'));
  if (value('init') !== 'systemd') {
    problems.push(`its first process is ${value('init')}; systemd is needed; use a distribution with systemd`);
  }
  if (value('init') === 'systemd' && Number(value('systemd')) < SYSTEMD) {
    problems.push(
      `has systemd ${value('systemd')}; ${SYSTEMD} or newer is needed (Debian 11, Ubuntu 22.04); use a newer distribution`,
    );
  }
  const container = value('container');
  const isContainer = container !== '' && container !== 'none';
  if (isContainer && spec.hostKind === 'machine') {
    problems.push(`is a system container (${container}) but hostKind is machine; write hostKind: container`);
  }
  if (Number(value('disk')) < DISK_MIB) {
    problems.push(`/var has ${value('disk')} MiB free; ${DISK_MIB} MiB are needed; free some space`);
  }
  if (host.roles.includes('node') && Number(value('disk', 2)) < NODE_DISK_PERCENT) {
    problems.push(
      `/var has ${value('disk', 2)} % of its disk free; below ${NODE_DISK_PERCENT} % a kubelet takes no pods and deletes images; free some space`,
    );
  }
  problems.push(...foreignAuthorities(spec, lines, authorities));
  for (const [key, path = '', digest] of lines) {
    if (key === 'etcd-data' && !authorities.has('etcd-ca')) {
      problems.push(
        `${path} holds data of another cluster, and the state store of ${spec.name} has no authority for it; restore the state store, or move the data away`,
      );
    }
    if (key === 'runs' && digest !== undefined && digest !== '' && !sameMinor(digest, spec.kubernetes)) {
      problems.push(
        `its ${path} is ${digest} and kubernetes is ${spec.kubernetes}; one minor is not upgraded to another yet; write kubernetes: ${digest}, or destroy the cluster first`,
      );
    }
    if (key === 'encryption' && !hasEncryptionKey) {
      problems.push(
        `${ENCRYPTION} holds keys that the state store of ${spec.name} does not have; with new ones every Secret would be unreadable; restore the state store`,
      );
    }
    if (key === 'port') {
      const owner = portsOf(spec, host).find(([port]) => String(port) === path)?.[1];
      if (owner !== undefined && digest !== undefined && !digest.startsWith(owner)) {
        problems.push(`port ${path} is taken by ${digest || 'another program'}; ${owner} needs it; stop that program`);
      }
    }
  }
  return { problems, clockMs: Number(value('clock')) };
}

/**
 * Every reason not to remove a cluster from a host, by what {@link preflightScript} printed.
 *
 * @param madeBy - the cluster in the host's undo journal; undefined where there is no journal
 */
export function judgeRemoval(
  spec: ClusterSpec,
  output: string,
  authorities: ReadonlyMap<string, string>,
  madeBy: string | undefined,
): string[] {
  const lines = output.split('\n').map((line) => line.split(' '));
  const foreign = foreignAuthorities(spec, lines, authorities);
  const ours = lines.filter(([key]) => key === 'authority').length > 0 && foreign.length === 0;
  return [
    ...notRoot(lines.find(([key]) => key === 'user')?.[1] ?? ''),
    ...foreign,
    ...(madeBy === undefined || madeBy === spec.name
      ? []
      : [
          `is part of cluster ${madeBy}, not of ${spec.name}; name the file of ${madeBy}, or take the host out of this one`,
        ]),
    ...(ours && madeBy === undefined
      ? [
          `is part of ${spec.name} but has no record of what it was before (a version without destroy has deployed it); clean it by hand`,
        ]
      : []),
  ];
}

function sameMinor(one: string, other: string): boolean {
  const minor = (version: string): string => version.split('.').slice(0, 2).join('.');
  return minor(one) === minor(other);
}

function notRoot(user: string): string[] {
  if (user === '0') return [];
  return [`commands run as user ${user}; root is needed; allow passwordless sudo or set ssh.user: root`];
}

/** Marks of another cluster than the one whose authorities the store has. */
function foreignAuthorities(
  spec: ClusterSpec,
  lines: readonly (readonly string[])[],
  authorities: ReadonlyMap<string, string>,
): string[] {
  return lines
    .filter(([key, path, digest]) => {
      const name = authorityFiles.find(([file]) => file === path)?.[1] ?? '';
      return key === 'authority' && authorities.get(name) !== digest;
    })
    .map(
      ([, path = '']) =>
        `${path} is another cluster's authority than the one in the state store of ${spec.name}; restore that cluster's state store, or clean the host first`,
    );
}
