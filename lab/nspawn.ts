import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { volumeBinds } from './disk.js';
import { unmountBelow } from './mounts.js';
import { namespaceOf } from './netns.js';
import { type LabPaths, hostPaths } from './paths.js';

/**
 * Runs nspawn in the host's control groups, again if the host reboots (nspawn then ends with 133), and takes the host's
 * network namespace away once it is off: left, the empty namespace would go on answering for the address.
 * Arguments: namespace, control groups of the host separated by spaces, then the command.
 */
const supervisor = `
namespace=$1 groups=$2
shift 2
enter() { for group in $groups; do echo 0 >"$group/$1/cgroup.procs" || exit; done; }
enter supervisor
while
  find $groups -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
  (enter . && exec "$@")
  [ $? -eq 133 ]
do :; done
ip netns delete "$namespace"
`;

/**
 * Arguments of systemd-nspawn for a lab host.
 * - `--register=no --keep-unit`: PID 1 of the machine need not be systemd.
 * - `--capability=all`, `@keyring`, `/dev/kmsg`: runc and the kubelet need them.
 * - The machine's resolver, time zone and journal are no part of the host.
 */
export function nspawnArguments(paths: LabPaths, host: string): string[] {
  return [
    ...['--quiet', '--register=no', '--keep-unit', '--boot'],
    ...['--directory', hostPaths(paths, host).root, '--machine', host],
    `--network-namespace-path=/run/netns/${namespaceOf(host)}`,
    ...['--capability=all', '--system-call-filter=@keyring'],
    ...['--resolv-conf=off', '--timezone=off', '--link-journal=no'],
    ...['--bind=/dev/kmsg', ...volumeBinds(paths, host)],
  ];
}

/**
 * Starts nspawn in a session of its own, with its output in the host's console log: it outlives this tool.
 * @param groups control group directories that it joins first
 */
export async function startNspawn(paths: LabPaths, host: string, groups: readonly string[]): Promise<void> {
  const log = await open(hostPaths(paths, host).console, 'a', 0o600);
  try {
    const command = ['systemd-nspawn', ...nspawnArguments(paths, host)];
    const child = spawn('sh', ['-c', supervisor, `hk-${host}`, namespaceOf(host), groups.join(' '), ...command], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      // Without it /proc/sys is read-only inside, and ip_forward cannot be set.
      env: { PATH: process.env['PATH'], SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'yes' },
    });
    await once(child, 'spawn');
    child.unref();
  } finally {
    await log.close();
  }
}

/**
 * Removes what nspawn keeps about the host in /run. It does so itself only where /run is a tmpfs, and not when it is
 * killed.
 */
export async function forgetMachine(host: string): Promise<void> {
  for (const kind of ['propagate', 'unix-export']) {
    const directory = join('/run/systemd/nspawn', kind, host);
    await unmountBelow(directory);
    await rm(directory, { recursive: true, force: true });
  }
}
