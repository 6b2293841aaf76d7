import { execa } from 'execa';
import type { LabRun } from './harness.js';

/**
 * A command that prints everything that a deployment could change on a host, in an order that does not depend on when.
 *
 * Left out, each for its reason:
 * - times of files: a file that is restored has its own, a directory that was written to has not;
 * - /proc, /sys, /dev: the kernel's, looked at in parts below; /run: gone with the next boot, looked at in part;
 * - /tmp and /var/tmp: anybody's; /var/log: what happened stays written down;
 * - the databases of dpkg and apt, with their caches (/var/cache): they tell of packages that came and went; the list of
 *   packages is compared;
 * - /etc/passwd- and the like: the backups that useradd and userdel make of the file before their change;
 * - what was put aside on purpose (/var/lib/ha-kubernetes/kept), whose place is in the report of the destroy;
 * - network-online.target: units wait for it, and a target that was reached stays so until the next boot;
 * - kernel settings of vm, kernel and fs: all hosts of a lab and the machine share them, so whichever host starts second
 *   sees what the first one has set.
 */
const everything = String.raw`
export LC_ALL=C
title() { echo "# $1"; }

title files
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
  -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path '/etc/*-' -o -path /var/lib/ha-kubernetes \) \
  -prune -o \( -type d -printf '%p %y %m %u:%g\n' -o -printf '%p %y %m %u:%g %s %l\n' \) | sort
find /var/lib/ha-kubernetes -mindepth 1 -not -path '/var/lib/ha-kubernetes/kept*' 2>/dev/null | sort
title 'mounted volumes'
find /var/lib/containerd /var/lib/docker -printf '%p %y %m %u:%g\n' | sort

title 'content of /etc'
find /etc -type f -not -path '/etc/*-' -exec sha256sum {} + | sort -k 2
title 'what of /run is ours'
find /run -maxdepth 2 -not -path '/run/systemd*' -not -path '/run/user*' | grep -E 'containerd|cni|netns|flannel|haproxy|xtables|kube' | sort

title packages
dpkg-query -W -f '$''{Package} $''{Version} $''{db:Status-Abbrev}\n' | sort
title accounts
getent passwd
getent group

title units
systemctl list-unit-files --no-legend --plain | sort
systemctl list-units --all --no-legend --plain --type service,socket,slice,scope,target,mount,timer |
  awk '{ print $1, $2, $3, $4 }' | grep -vE '^(network-online\.target|session-.*|user.*|run-user.*) ' | sort

title 'kernel settings'
sysctl -a 2>/dev/null | grep '^net\.' |
  grep -vE 'nf_conntrack_count|\.(stable_secret|fib_multipath_hash_seed|rt_cache_stat)|\.random' | sort
sysctl -n kernel.hostname

title sockets
ss -Hltnu | awk '{ print $1, $5 }' | sort
title mounts
awk '{ print $1, $2, $3 }' /proc/self/mounts | grep -v '^ramfs /run/credentials' | sort
title network
ip -br link | awk '{ print $1, $2 }'
ip -br address
ip route show table all | sort
ip rule
title 'control groups'
find /sys/fs/cgroup -maxdepth 3 -type d -name 'kubepods*' 2>/dev/null | sort
title processes
ps axo args= | grep -vE '^(sshd: root|bash -c|sh -c|ps axo|grep|sort|\[)' | sort
`;

/** Everything that a deployment could have changed, a line each, by host. */
export type Look = Readonly<Record<string, readonly string[]>>;

/** Waits until hosts have started all that they start: what systemd does later is no difference that others made. */
export async function booted(run: LabRun, hosts: readonly string[]): Promise<void> {
  await Promise.all(hosts.map((host) => run.onHost(host, 'systemctl is-system-running --wait || true')));
}

/** Looks at all hosts at once. */
export async function look(run: LabRun, hosts: readonly string[]): Promise<Look> {
  const seen = await Promise.all(
    hosts.map(async (host) => {
      // The lab's hosts have no nft, but their namespaces can be looked into from outside.
      const filter = await execa('ip', ['netns', 'exec', `hk-${host}`, 'nft', 'list', 'ruleset']);
      // iptables makes tables and cannot delete them; one without a chain sees no packet.
      const chains = filter.stdout.replace(/^table \S+ \S+ \{\s*\}\n?/gm, '');
      return [host, [...(await run.onHost(host, everything)).split('\n'), ...chains.split('\n')]] as const;
    }),
  );
  return Object.fromEntries(seen);
}

/** Lines that one look at the hosts has and the other has not. */
export function differences(earlier: Look, later: Look): string[] {
  return Object.entries(earlier).flatMap(([host, was]) => {
    const is = later[host] ?? [];
    const [hadSet, hasSet] = [new Set(was), new Set(is)];
    return [
      ...was.filter((line) => !hasSet.has(line)).map((line) => `${host} lost ${line}`),
      ...is.filter((line) => !hadSet.has(line)).map((line) => `${host} got ${line}`),
      ...(was.length === is.length ? [] : [`${host} had ${was.length} lines, has ${is.length}`]),
    ];
  });
}
