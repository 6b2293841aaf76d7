import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.js';
import { type Mount, mounts } from './mounts.js';
import { eventually } from './progress.js';

/** The one control group of the lab in every hierarchy; hosts are its children. Nothing outside it is changed. */
const parent = 'ha-kubernetes-lab';

/** One cgroup hierarchy of the machine: a v1 controller's, or the unified one (v2). */
export interface Hierarchy {
  directory: string;
  type: 'cgroup' | 'cgroup2';
}

/** The hierarchies among `all` mounts that show their own root, once each. */
export function hierarchies(all: readonly Mount[]): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const { root, mountPoint, type } of all) {
    if ((type !== 'cgroup' && type !== 'cgroup2') || root !== '/' || !mountPoint.startsWith('/sys/fs/cgroup')) continue;
    found.set(mountPoint, { directory: mountPoint, type });
  }
  return [...found.values()];
}

/**
 * Makes a control group for the host in every hierarchy, and below it one named `supervisor`: two systemds that share
 * one tree fail with "Failed at step CGROUP spawning", and in v2 what supervises a host must sit in a leaf.
 * @returns the directories of the host's groups; a process joins one by writing 0 into its `cgroup.procs`
 */
export async function createHostCgroups(host: string): Promise<string[]> {
  const made: string[] = [];
  for (const { directory, type } of hierarchies(await mounts())) {
    const lab = join(directory, parent);
    const own = join(lab, host);
    const supervisor = join(own, 'supervisor');
    await mkdir(supervisor, { recursive: true });
    if (type === 'cgroup2') {
      await handOnControllers(lab);
    } else {
      await inheritCpuset(directory, lab);
      await inheritCpuset(lab, own);
      await inheritCpuset(own, supervisor);
    }
    made.push(own);
  }
  if (made.length === 0) throw new LabError('no cgroup hierarchy is mounted below /sys/fs/cgroup: mount one first');
  return made;
}

/** A new cpuset of v1 is empty, and a group with an empty one takes no process. */
async function inheritCpuset(above: string, group: string): Promise<void> {
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    if (!existsSync(join(group, name))) return;
    await writeFile(join(group, name), await readFile(join(above, name), 'utf8'));
  }
}

/** A group of v2 hands no controller on to its children until it is told to. */
async function handOnControllers(group: string): Promise<void> {
  const controllers = (await readFile(join(group, 'cgroup.controllers'), 'utf8')).split(/\s+/).filter(Boolean);
  if (controllers.length === 0) return;
  await writeFile(join(group, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

/** Every process of the host, in whichever of its control groups; empty means that the host is off. */
export async function hostProcesses(host: string): Promise<Set<number>> {
  const pids = new Set<number>();
  for (const { directory } of hierarchies(await mounts())) {
    for (const group of await groupsBelow(join(directory, parent, host))) {
      for (const pid of await processesIn(group)) pids.add(pid);
    }
  }
  return pids;
}

/** Names of the hosts that have a control group, whatever else is known of them. */
export async function hostsWithCgroups(): Promise<string[]> {
  const names = new Set<string>();
  for (const { directory } of hierarchies(await mounts())) {
    for (const name of await childGroups(join(directory, parent))) names.add(name);
  }
  return [...names].sort();
}

/**
 * Sends SIGKILL to every process of the host until none is left.
 * @throws LabError if some are left after 20 seconds
 */
export async function killHostProcesses(host: string): Promise<void> {
  const gone = await eventually(async () => {
    const pids = await hostProcesses(host);
    for (const pid of pids) signal(pid, 'SIGKILL');
    return pids.size === 0;
  }, 20);
  if (!gone) {
    const left = [...(await hostProcesses(host))].join(', ');
    throw new LabError(`${host}: processes ${left} do not end on SIGKILL: the kernel holds them, look at dmesg`);
  }
}

/** Sends `name` to `pid`; one that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Removes the host's control groups with all that pods left below them; the host must be off. */
export async function removeHostCgroups(host: string): Promise<void> {
  await removeGroups((directory) => join(directory, parent, host));
}

/** Removes the lab's own control group once no host has one. */
export async function removeLabCgroup(): Promise<void> {
  await removeGroups((directory) => join(directory, parent));
}

async function removeGroups(groupIn: (hierarchy: string) => string): Promise<void> {
  for (const { directory } of hierarchies(await mounts())) {
    const top = groupIn(directory);
    // A group whose last process has just ended is busy for a moment.
    const removed = await eventually(async () => {
      const groups = await groupsBelow(top);
      for (const group of groups.reverse()) await rmdir(group).catch(() => undefined);
      return !existsSync(top);
    }, 10);
    if (!removed) throw new LabError(`the control group ${top} cannot be removed: a process is still in it`);
  }
}

/** `top` and every group below it, parents first; nothing if it does not exist. */
async function groupsBelow(top: string): Promise<string[]> {
  if (!existsSync(top)) return [];
  const below = await Promise.all((await childGroups(top)).map((name) => groupsBelow(join(top, name))));
  return [top, ...below.flat()];
}

async function childGroups(group: string): Promise<string[]> {
  const entries = await unlessGone(readdir(group, { withFileTypes: true }), []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function processesIn(group: string): Promise<number[]> {
  const text = await unlessGone(readFile(join(group, 'cgroup.procs'), 'utf8'), '');
  return text.split('\n').filter(Boolean).map(Number);
}

/** Groups come and go while one looks; EOPNOTSUPP is a threaded v2 group, whose processes its parent lists. */
async function unlessGone<T>(reading: Promise<T>, gone: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'EOPNOTSUPP') return gone;
    throw error;
  }
}
