import { readFile, readdir } from 'node:fs/promises';
import { z } from 'zod';
import { LabError } from './errors.js';
import { subnet } from './network.js';
import { type LabPaths, hostPaths } from './paths.js';

const hostRecord = z.object({ name: z.string(), address: z.string(), image: z.string() });

/** A host as the lab was asked for it. */
export interface HostSpec {
  name: string;
  /** IPv4 address. */
  address: string;
}

/** A host that has a disk; `image` is the base image that its disk lies over. */
export type HostRecord = z.infer<typeof hostRecord>;

/** The six hosts of the seed. */
export const seedHosts: readonly HostSpec[] = [
  { name: 'master01', address: '172.16.0.101' },
  { name: 'master02', address: '172.16.0.102' },
  { name: 'master03', address: '172.16.0.103' },
  { name: 'node01', address: '172.16.0.104' },
  { name: 'node02', address: '172.16.0.105' },
  { name: 'node03', address: '172.16.0.106' },
];

/**
 * Reads `--hosts`: names separated by commas, each `NAME` or `NAME=ADDRESS`. A host without an address gets the one it
 * has, else the seed's, else the next free one.
 * @param existing hosts that have a disk already
 * @throws LabError on a bad name, an address outside the lab's network, a duplicate, or a change of an address
 */
export function parseHosts(list: string, existing: readonly HostSpec[]): HostSpec[] {
  const taken = new Map([...seedHosts, ...existing].map(({ name, address }) => [name, address]));
  return list.split(',').map((item) => {
    const [name = '', given] = item.trim().split('=');
    // A name plus the lab's prefix must fit into a link's 15 characters.
    if (!/^[a-z][a-z0-9-]{0,11}$/.test(name) || ['switch', 'machine'].includes(name)) {
      throw new LabError(
        `"${name}" is no host name for the lab: use at most 12 characters a-z, 0-9 and -, a letter first, other than switch and machine`,
      );
    }
    const address = given ?? taken.get(name) ?? nextFree(new Set(taken.values()));
    if (!/^172\.16\.0\.\d{1,3}$/.test(address) || !isHostByte(Number(address.split('.')[3]))) {
      throw new LabError(`host ${name} has the address "${address}": use one from 172.16.0.2 to 172.16.0.253`);
    }
    const holder = [...taken].find(([other, its]) => its === address && other !== name)?.[0];
    if (holder !== undefined) throw new LabError(`host ${name} has the address ${address}, which belongs to ${holder}`);
    const present = existing.find((host) => host.name === name)?.address;
    if (present !== undefined && present !== address) {
      throw new LabError(`host ${name} exists with the address ${present}: "lab down" first to make it ${address}`);
    }
    taken.set(name, address);
    return { name, address };
  });
}

function nextFree(taken: ReadonlySet<string>): string {
  for (let byte = 107; isHostByte(byte); byte++) {
    const address = `172.16.0.${byte}`;
    if (!taken.has(address)) return address;
  }
  throw new LabError(`no address is free in ${subnet.network}/${subnet.prefix} from .107 on: name one (NAME=ADDRESS)`);
}

/** The gateway (.1) and the machine (.254) are taken. */
function isHostByte(byte: number): boolean {
  return byte >= 2 && byte <= 253;
}

/** Every host that has a disk, by name. A disk that was never finished has no record and is not listed. */
export async function listHosts(paths: LabPaths): Promise<HostRecord[]> {
  const entries = await readdir(paths.hosts).catch(ignoreMissing([]));
  const records = await Promise.all(
    entries.sort().map((name) => readFile(hostPaths(paths, name).record, 'utf8').catch(ignoreMissing(undefined))),
  );
  return records.filter((text) => text !== undefined).map((text) => hostRecord.parse(JSON.parse(text)));
}

/** @throws LabError naming the hosts that there are, if `name` is none of them */
export async function findHost(paths: LabPaths, name: string): Promise<HostRecord> {
  const hosts = await listHosts(paths);
  const host = hosts.find((candidate) => candidate.name === name);
  if (host !== undefined) return host;
  const known = hosts.map((candidate) => candidate.name).join(', ');
  throw new LabError(
    known === '' ? 'the lab has no hosts: start them with "lab up"' : `there is no host "${name}": use one of ${known}`,
  );
}

function ignoreMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return value;
    throw error;
  };
}
