import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureBaseImage } from './base-image.js';
import { hostsWithCgroups, removeHostCgroups, removeLabCgroup } from './cgroups.js';
import { createDisk, refuseForeignDisks } from './disk.js';
import { type HostRecord, listHosts, parseHosts, seedHosts } from './hosts.js';
import { withLock } from './lock.js';
import { unmountBelow } from './mounts.js';
import { ensureSwitch, refuseForeignUse, removeNetwork } from './network.js';
import { forgetMachine } from './nspawn.js';
import type { LabPaths } from './paths.js';
import { endHost, powerOn, waitForSsh } from './power.js';
import { onAll, withProgress } from './progress.js';
import { ensureLabKey, writeKnownHosts } from './ssh.js';

/** How long a host may take to its first SSH greeting: 3 to 12 s were measured for six, under load much more. */
const startSeconds = 120;

/** How long a host that is to be removed may take to stop by itself. */
const stopSeconds = 10;

/**
 * Brings the named hosts up, and makes whatever is missing for it: base image, switch, key, disks. Hosts that are up
 * are left alone.
 * @param list value of `--hosts`; undefined means the seed's six
 */
export async function labUp(paths: LabPaths, list: string | undefined): Promise<void> {
  await withLock('lab', async () => {
    const wanted = parseHosts(list ?? seedHosts.map(({ name }) => name).join(','), await listHosts(paths));
    await refuseForeignDisks(paths);
    await refuseForeignUse();
    const image = await ensureBaseImage(paths.cache);
    await mkdir(paths.hosts, { recursive: true, mode: 0o711 });
    await ensureLabKey(paths);
    await ensureSwitch();
    await withProgress(`${wanted.length} hosts up`, async () => {
      await onAll('making the disk', wanted, (host) => createDisk(paths, host, image));
      const all = await listHosts(paths);
      await writeKnownHosts(paths, all);
      const hosts = all.filter(({ name }) => wanted.some((host) => host.name === name));
      await onAll('starting', hosts, (host) => switchOn(paths, host));
    });
  });
}

/** Starts one host, unless it is on, and waits until its sshd answers. */
export async function switchOn(paths: LabPaths, host: HostRecord): Promise<void> {
  await withLock(host.name, async () => {
    await powerOn(paths, host);
    await waitForSsh(paths, host, startSeconds);
  });
}

/**
 * Removes everything that the lab made but the base image: what is there is found by looking at the machine, not in
 * records, so it works on any half-built or half-removed state.
 */
export async function labDown(paths: LabPaths): Promise<void> {
  await withLock('lab', async () => {
    await refuseForeignDisks(paths);
    await withProgress('lab down', async () => {
      const hosts = (await hostsWithCgroups()).map((name) => ({ name }));
      await onAll('stopping', hosts, ({ name }) =>
        withLock(name, async () => {
          await endHost(name, stopSeconds);
          await removeHostCgroups(name);
          await forgetMachine(name);
        }),
      );
      await removeLabCgroup();
      await removeNetwork();
      await unmountBelow(paths.state);
      for (const directory of [paths.hosts, dirname(paths.privateKey)]) {
        await rm(directory, { recursive: true, force: true });
      }
      // Whatever else lies there is not the lab's.
      await rmdir(paths.state).catch(() => undefined);
    });
  });
}
