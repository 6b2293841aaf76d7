#!/usr/bin/env node
import { Command, Option } from 'commander';
import { execa } from 'execa';
import { clusterFile, powerPrograms, type ClusterFileOptions } from './cluster-file.js';
import { LabError } from './errors.js';
import { type HostRecord, findHost } from './hosts.js';
import { inventory, labStatus, statusTable } from './inventory.js';
import { labDown, labUp, switchOn } from './lifecycle.js';
import { withLock } from './lock.js';
import { type Connection, setCable, setPath } from './cuts.js';
import { newestVersion } from './mirror/plans/index.js';
import { type LabPaths, labPaths } from './paths.js';
import { isOn, powerKill, powerOff } from './power.js';
import { installCommand, missingPackages, requirePrerequisites } from './prerequisites.js';
import { describe, onAll, withProgress } from './progress.js';
import { sshArguments } from './ssh.js';

/** How long an orderly power-off may take: an API server with open connections was seen to need 60 s. */
const powerOffSeconds = 180;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Where the lab is, once it is sure that this machine can have one. */
async function ready(): Promise<LabPaths> {
  await requirePrerequisites();
  return labPaths();
}

async function power(
  action: string,
  names: readonly string[],
  work: (host: HostRecord) => Promise<void>,
): Promise<void> {
  const paths = await ready();
  const hosts = await Promise.all(names.map((name) => findHost(paths, name)));
  await withProgress(`power ${action} ${names.join(' ')}`, () => onAll(`power ${action}`, hosts, work));
}

async function setConnection(name: string, state: Connection, from: string | undefined): Promise<void> {
  const paths = await ready();
  const host = await findHost(paths, name);
  if (from === undefined) {
    if (!(await isOn(host.name))) throw new LabError(`${host.name} is off, so it has no cable to cut or heal`);
    await setCable(host.name, state);
    return;
  }
  const other = await findHost(paths, from);
  if (other.name === host.name)
    throw new LabError(`a host cannot be cut from itself: --from names another than ${from}`);
  await setPath(host.name, other.name, state);
}

const program = new Command('lab')
  .description('Real systemd hosts on this one machine, for demos, tests and drills. Runs as root.')
  .addHelpText(
    'after',
    `
Environment:
  HA_KUBERNETES_LAB    state: disks, keys, logs (default /var/lib/ha-kubernetes-lab)
  HA_KUBERNETES_CACHE  base images (default ~/.cache/ha-kubernetes)`,
  );

program
  .command('up')
  .description('bring hosts up and wait until their sshd answers; hosts that are up are left alone')
  .option('--hosts <list>', "NAME or NAME=ADDRESS, separated by commas (default: the seed's six)")
  .action(async ({ hosts }: { hosts?: string }) => {
    await labUp(await ready(), hosts);
  });

program
  .command('down')
  .description('remove everything: hosts, network, mounts, control groups, disks; the base image stays cached')
  .action(async () => {
    await labDown(await ready());
  });

program
  .command('cluster-file')
  .description("print a cluster file for the seed's cluster on these hosts")
  .option('--name <name>', 'name of the cluster', 'lab')
  .option('--kubernetes <version>', 'version to deploy', newestVersion)
  .requiredOption('--mirror <directory>', 'artifact mirror, as "lab mirror" fills it')
  .option('--without <hosts...>', 'hosts to leave out', [])
  .addOption(new Option('--approvals <policy>').choices(['human', 'inventory']).default('human'))
  .action(async (options: ClusterFileOptions) => {
    process.stdout.write(clusterFile(await inventory(await ready()), options));
  });

program
  .command('power-programs')
  .description("print what a worker's power-programs.yaml needs for these cluster files")
  .action(() => {
    process.stdout.write(powerPrograms());
  });

program
  .command('status')
  .description('show each host: power, address, PID, whether sshd answers')
  .option('--json', 'print JSON')
  .action(async ({ json }: { json?: boolean }) => {
    const statuses = await labStatus(await ready());
    print(json === true ? JSON.stringify(statuses, undefined, 2) : statusTable(statuses));
  });

program
  .command('ssh')
  .description('open a shell on a host as root, or run a command there')
  .argument('<host>')
  .argument('[command...]', 'after --')
  .action(async (name: string, command: string[]) => {
    const paths = await ready();
    const host = await findHost(paths, name);
    const result = await execa('ssh', sshArguments(paths, host, command), { stdio: 'inherit', reject: false });
    process.exitCode = result.exitCode ?? 1;
  });

const powerCommand = program.command('power').description('switch hosts on and off');

powerCommand
  .command('on')
  .description('start hosts on the disks that they have, and wait until their sshd answers')
  .argument('<host...>')
  .action(async (names: string[]) => {
    const paths = labPaths();
    await power('on', names, (host) => switchOn(paths, host));
  });

powerCommand
  .command('off')
  .description('run "systemctl poweroff" inside and wait until the hosts are gone')
  .argument('<host...>')
  .action(async (names: string[]) => {
    await power('off', names, ({ name }) => withLock(name, () => powerOff(name, powerOffSeconds)));
  });

powerCommand
  .command('kill')
  .description('hard off, as if the power cord were pulled; the disk is kept')
  .argument('<host...>')
  .action(async (names: string[]) => {
    await power('kill', names, ({ name }) => withLock(name, () => powerKill(name)));
  });

powerCommand
  .command('status')
  .description('print on or off')
  .argument('<host>')
  .action(async (name: string) => {
    const host = await findHost(await ready(), name);
    print((await isOn(host.name)) ? 'on' : 'off');
  });

program
  .command('cut')
  .description("take a host's network cable out, or with --from drop all traffic between two hosts")
  .argument('<host>')
  .option('--from <other>', 'the other host of a pair')
  .action(async (name: string, { from }: { from?: string }) => {
    await setConnection(name, 'down', from);
  });

program
  .command('heal')
  .description('undo cut')
  .argument('<host>')
  .option('--from <other>', 'the other host of a pair')
  .action(async (name: string, { from }: { from?: string }) => {
    await setConnection(name, 'up', from);
  });

program
  .command('inventory')
  .description('print JSON: hosts, path of the SSH private key, path of a known_hosts file with their real keys')
  .action(async () => {
    print(JSON.stringify(await inventory(await ready()), undefined, 2));
  });

program
  .command('prerequisites')
  .description('say which packages the lab needs that this machine lacks; exit code 1 if there are any')
  .action(async () => {
    const missing = await missingPackages();
    if (missing.length === 0) return;
    print(installCommand(missing));
    process.exitCode = 1;
  });

// Root's PATH lacks these after a plain su, and that is where ip, nft and debootstrap are.
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lab: ${describe(error)}\n`);
  process.exitCode = 1;
}
