import { createHash } from 'node:crypto';

/** What goes into a base image beside the distribution's minimal set; its digest names the image. */
export interface BaseRecipe {
  /** Release of the distribution, as its archive calls it. */
  suite: string;
  architecture: string;
  packages: readonly string[];
  files: readonly BaseFile[];
  /** Units that would only cost time in such a host, or would reach through to the machine's kernel. */
  maskedUnits: readonly string[];
}

/** A file of the base image; text, or the target of a symbolic link. */
export type BaseFile = { path: string; mode?: number; content: string } | { path: string; link: string };

/** What a bare cloud image has. Container runtime, firewall, time service and proxies are the deployer's work. */
const packages = [
  'ca-certificates',
  'dbus',
  'iproute2',
  'kmod',
  'openssh-server',
  'procps',
  'sudo',
  'systemd',
  'systemd-sysv',
] as const;

const maskedUnits = [
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'console-getty.service',
  'container-getty@.service',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@.service',
  'systemd-networkd-wait-online.service',
  // binfmt_misc belongs to the machine's kernel.
  'proc-sys-fs-binfmt_misc.automount',
  'systemd-binfmt.service',
] as const;

/**
 * What a real host has and a container has not: control groups it may write to, and shared mounts.
 * A plain remount of a v1 controller says "busy"; `bind` changes this mount only.
 */
const labHostScript = `#!/bin/sh
set -eu
while read -r _ directory type _; do
  case $type in
  cgroup) mount -o remount,bind,rw "$directory" ;;
  esac
done </proc/self/mounts
mount --make-rshared /
`;

const labHostUnit = `[Unit]
Description=Give this host of the lab what real hardware has
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-host

[Install]
WantedBy=sysinit.target
`;

const files: readonly BaseFile[] = [
  { path: '/usr/local/sbin/lab-host', mode: 0o755, content: labHostScript },
  { path: '/etc/systemd/system/lab-host.service', content: labHostUnit },
  {
    path: '/etc/systemd/system/sysinit.target.wants/lab-host.service',
    link: '/etc/systemd/system/lab-host.service',
  },
  {
    path: '/etc/systemd/journald.conf.d/size.conf',
    content: '[Journal]\nSystemMaxUse=64M\nRuntimeMaxUse=16M\n',
  },
  // These set kernel.* values, and a lab host shares the machine's kernel.
  { path: '/etc/sysctl.d/50-default.conf', link: '/dev/null' },
  { path: '/etc/sysctl.d/50-pid-max.conf', link: '/dev/null' },
  { path: '/etc/hosts', content: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' },
  // The switch answers nothing on port 53, so a lookup fails at once and nothing leaves the machine.
  { path: '/etc/resolv.conf', content: 'nameserver 172.16.0.1\n' },
];

/** The recipe of the base image for a release and architecture of the distribution. */
export function baseRecipe(suite: string, architecture: string): BaseRecipe {
  return { suite, architecture, packages, files, maskedUnits };
}

/** Name of the image that `recipe` makes: equal recipes share an image, a changed one makes a new image. */
export function baseImageName(recipe: BaseRecipe): string {
  return `base-${createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 12)}`;
}
