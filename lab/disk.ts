import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { LabError } from './errors.js';
import type { HostRecord, HostSpec } from './hosts.js';
import { isMounted, mounts } from './mounts.js';
import { type LabPaths, hostPaths, hostPathsIn } from './paths.js';
import { generateKey } from './ssh.js';

/** What a container runtime keeps its layers in: an overlay cannot lie on an overlay. */
const volumes = ['containerd', 'docker'] as const;

/**
 * Makes the host's disk: empty layers over the base image, an identity of its own (machine id, SSH host key) and the
 * lab's key for root. It is made beside its place and renamed, so a disk is whole or not there.
 */
export async function createDisk(paths: LabPaths, host: HostSpec, image: string): Promise<void> {
  const final = hostPaths(paths, host.name);
  if (existsSync(final.record)) return;
  const disk = hostPathsIn(`${final.directory}.partial`);
  await rm(disk.directory, { recursive: true, force: true });
  for (const directory of [disk.work, disk.root, ...volumes.map((name) => join(disk.volumes, name))]) {
    await mkdir(directory, { recursive: true, mode: 0o711 });
  }
  await mkdir(join(disk.upper, 'etc', 'ssh'), { recursive: true, mode: 0o755 });
  await writeFile(join(disk.upper, 'etc', 'machine-id'), `${randomBytes(16).toString('hex')}\n`, { mode: 0o444 });
  await generateKey(join(disk.upper, 'etc', 'ssh', 'ssh_host_ed25519_key'), `root@${host.name}`);
  await mkdir(join(disk.upper, 'root'), { mode: 0o700 });
  await mkdir(join(disk.upper, 'root', '.ssh'), { mode: 0o700 });
  const authorized = join(disk.upper, 'root', '.ssh', 'authorized_keys');
  await copyFile(`${paths.privateKey}.pub`, authorized);
  await chmod(authorized, 0o600);
  const record: HostRecord = { ...host, image };
  await writeFile(disk.record, `${JSON.stringify(record)}\n`);
  await rename(disk.directory, final.directory);
}

/** Mounts the host's disk. @throws LabError if the base image that it lies over is gone */
export async function mountDisk(paths: LabPaths, host: HostRecord): Promise<void> {
  const disk = hostPaths(paths, host.name);
  if (await isMounted(disk.root)) return;
  if (!existsSync(host.image)) {
    throw new LabError(
      `the base image ${host.image} of ${host.name} is gone: "lab down", then "lab up" makes both anew`,
    );
  }
  const layers = `lowerdir=${host.image},upperdir=${disk.upper},workdir=${disk.work}`;
  await execa('mount', ['-t', 'overlay', '-o', layers, `hk-${host.name}`, disk.root]);
}

/** @throws LabError if hosts run on disks of another state directory: names and addresses are the machine's, not its */
export async function refuseForeignDisks(paths: LabPaths): Promise<void> {
  for (const { type, source, mountPoint } of await mounts()) {
    if (type !== 'overlay' || !source.startsWith('hk-') || mountPoint.startsWith(`${paths.hosts}/`)) continue;
    const other = dirname(dirname(dirname(mountPoint)));
    throw new LabError(
      `this machine already has a lab, with its state in ${other}: "HA_KUBERNETES_LAB=${other} lab down" removes it`,
    );
  }
}

/** `--bind` arguments of nspawn for the host's volumes. */
export function volumeBinds(paths: LabPaths, host: string): string[] {
  return volumes.map((name) => `--bind=${join(hostPaths(paths, host).volumes, name)}:/var/lib/${name}`);
}
