import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { HostRecord, HostSpec } from './hosts.js';
import { type LabPaths, hostPaths } from './paths.js';

/** Makes an ed25519 key pair without a passphrase, private part 0600. An unfinished one from before is replaced. */
export async function generateKey(path: string, comment: string): Promise<void> {
  if (existsSync(path) && existsSync(`${path}.pub`)) return;
  await rm(path, { force: true });
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]);
}

/** Makes the key that opens every host of the lab for root, unless there is one. */
export async function ensureLabKey(paths: LabPaths): Promise<void> {
  await mkdir(dirname(paths.privateKey), { recursive: true, mode: 0o700 });
  await generateKey(paths.privateKey, 'ha-kubernetes-lab');
}

/** Writes known_hosts from the keys on the hosts' own disks: nothing on the network is believed. */
export async function writeKnownHosts(paths: LabPaths, hosts: readonly HostRecord[]): Promise<void> {
  const lines = await Promise.all(
    hosts.map(async ({ name, address }) => {
      const key = join(hostPaths(paths, name).upper, 'etc', 'ssh', 'ssh_host_ed25519_key.pub');
      return knownHostsLine({ name, address }, await readFile(key, 'utf8'));
    }),
  );
  const partial = `${paths.knownHosts}.partial`;
  await writeFile(partial, lines.join(''), { mode: 0o644 });
  await rename(partial, paths.knownHosts);
}

/** One line of known_hosts, sshd(8): names, key type, key. */
export function knownHostsLine({ name, address }: HostSpec, publicKey: string): string {
  const [type = '', key = ''] = publicKey.trim().split(' ');
  return `${name},${address} ${type} ${key}\n`;
}

/** Arguments of ssh(1) for root on a host of the lab: the lab's key, its known_hosts, nothing of the person's own. */
export function sshArguments(paths: LabPaths, host: HostSpec, command: readonly string[]): string[] {
  const options = [
    `IdentityFile=${paths.privateKey}`,
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${paths.knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'ConnectTimeout=10',
    'LogLevel=ERROR',
  ];
  return ['-F', 'none', ...options.flatMap((option) => ['-o', option]), `root@${host.address}`, '--', ...command];
}

/** Whether an SSH server greets at `address` within a second; a port that only accepts is not enough. */
export async function sshAnswers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => {
      done(false);
    });
    socket.once('data', (data) => {
      done(data.toString('latin1').startsWith('SSH-'));
    });
    socket.once('error', () => {
      done(false);
    });
    socket.once('close', () => {
      done(false);
    });
  });
}
