import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { createHostCgroups, hostProcesses, killHostProcesses, removeHostCgroups, signal } from './cgroups.js';
import { mountDisk } from './disk.js';
import { LabError } from './errors.js';
import type { HostRecord } from './hosts.js';
import { connect, disconnect } from './network.js';
import { startNspawn } from './nspawn.js';
import { type LabPaths, hostPaths } from './paths.js';
import { eventually } from './progress.js';
import { sshAnswers } from './ssh.js';

/** Whether the host has any process. */
export async function isOn(host: string): Promise<boolean> {
  return (await hostProcesses(host)).size > 0;
}

/** Starts the host on the disk that it has, whatever an earlier run left behind. One that is on is left alone. */
export async function powerOn(paths: LabPaths, host: HostRecord): Promise<void> {
  if (await isOn(host.name)) return;
  // Control groups of dead pods, left, delay the node's Ready by 45 s.
  await removeHostCgroups(host.name);
  await mountDisk(paths, host);
  await connect(host.name, host.address);
  await startNspawn(paths, host.name, await createHostCgroups(host.name));
  // From here on "no process" means "off", so the first one must have arrived.
  if (!(await eventually(() => isOn(host.name), 10))) throw new LabError(await startFailure(paths, host.name));
}

/**
 * Waits until sshd of the host answers.
 * @throws LabError if the host goes off or does not answer within `seconds`
 */
export async function waitForSsh(paths: LabPaths, host: HostRecord, seconds: number): Promise<void> {
  const outcome = await eventually(async () => {
    if (await sshAnswers(host.address)) return 'answers';
    return (await isOn(host.name)) ? undefined : 'off';
  }, seconds);
  if (outcome === 'answers') return;
  throw new LabError(
    outcome === 'off'
      ? await startFailure(paths, host.name)
      : `sshd at ${host.address} did not answer within ${seconds} s: see "lab status" (is it cut?) and ${hostPaths(paths, host.name).console}`,
  );
}

/** Why a start failed, with the end of the host's console. */
async function startFailure(paths: LabPaths, host: string): Promise<string> {
  const { console } = hostPaths(paths, host);
  const lines = (await readFile(console, 'utf8')).trim().split('\n').slice(-5);
  return [`it went off while it started; the end of ${console}:`, ...lines].join('\n    ');
}

/**
 * Runs `systemctl poweroff` inside and waits until the host is gone.
 * @throws LabError if it is not within `seconds`
 */
export async function powerOff(host: string, seconds: number): Promise<void> {
  const leader = await leaderOf(host);
  if (leader !== undefined) {
    await execa('nsenter', ['--target', String(leader), '--all', '--wd=/', 'systemctl', 'poweroff']);
  }
  if (!(await eventually(async () => !(await isOn(host)), seconds))) {
    throw new LabError(
      `${host} is not off ${seconds} s after "systemctl poweroff": see what it waits for, or "lab power kill ${host}"`,
    );
  }
  await disconnect(host);
}

/**
 * Hard off: the host's port goes dark first, so that no peer is told, then every process ends at once. SIGKILL of
 * nspawn alone would leave the whole system running.
 */
export async function powerKill(host: string): Promise<void> {
  await disconnect(host);
  await killHostProcesses(host);
}

/** Ends the host for good: nspawn is asked first, and killed with all that is left after `seconds`. */
export async function endHost(host: string, seconds: number): Promise<void> {
  for (const pid of await hostProcesses(host)) {
    if (await isNspawn(pid)) signal(pid, 'SIGTERM');
  }
  await eventually(async () => !(await isOn(host)), seconds);
  await powerKill(host);
}

/** PID, as the machine sees it, of the host's own PID 1; undefined if the host is off or only just starting. */
export async function leaderOf(host: string): Promise<number | undefined> {
  for (const pid of await hostProcesses(host)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    // Two ids: the machine's and the host's. PID 1 of a pod has three.
    if (/^NSpid:\t\d+\t1$/m.test(status)) return pid;
  }
  return undefined;
}

async function isNspawn(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return command.trim() === 'systemd-nspawn';
}
