import { currentCuts } from './cuts.js';
import { LabError } from './errors.js';
import { type HostSpec, listHosts } from './hosts.js';
import type { LabPaths } from './paths.js';
import { isOn, leaderOf } from './power.js';
import { sshAnswers } from './ssh.js';

/** What a deployer needs in order to reach the hosts. */
export interface Inventory {
  hosts: HostSpec[];
  user: string;
  /** Path of the private key, 0600. */
  privateKey: string;
  /** Path of a known_hosts file with the hosts' real keys. */
  knownHosts: string;
}

/** One host as it is now. */
export interface HostStatus extends HostSpec {
  power: 'on' | 'off';
  /** The host's PID 1 as the machine sees it. */
  pid?: number;
  /** Whether its sshd greets. */
  ssh: boolean;
  /** Whether its network cable is out. */
  cut: boolean;
  /** Hosts that it is cut from. */
  cutFrom: string[];
}

/** @throws LabError if the lab has no hosts */
export async function inventory(paths: LabPaths): Promise<Inventory> {
  const hosts = (await listHosts(paths)).map(({ name, address }) => ({ name, address }));
  if (hosts.length === 0) throw new LabError('the lab has no hosts: start them with "lab up"');
  return { hosts, user: 'root', privateKey: paths.privateKey, knownHosts: paths.knownHosts };
}

/** Looks at every host. */
export async function labStatus(paths: LabPaths): Promise<HostStatus[]> {
  const cuts = await currentCuts();
  return Promise.all(
    (await listHosts(paths)).map(async ({ name, address }): Promise<HostStatus> => {
      const on = await isOn(name);
      const pid = on ? await leaderOf(name) : undefined;
      return {
        name,
        address,
        power: on ? 'on' : 'off',
        ...(pid === undefined ? {} : { pid }),
        ssh: on && (await sshAnswers(address)),
        cut: cuts.cables.has(name),
        cutFrom: cuts.pairs.filter(([one]) => one === name).map(([, other]) => other),
      };
    }),
  );
}

/** The status as a table for people. */
export function statusTable(statuses: readonly HostStatus[]): string {
  const rows = [
    ['HOST', 'ADDRESS', 'POWER', 'PID', 'SSH', 'CUT'],
    ...statuses.map(({ name, address, power, pid, ssh, cut, cutFrom }) => [
      name,
      address,
      power,
      pid === undefined ? '-' : String(pid),
      ssh ? 'answers' : '-',
      [...(cut ? ['cable'] : []), ...cutFrom.map((other) => `from ${other}`)].join(', '),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
