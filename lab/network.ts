import { readdir } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { execa } from 'execa';
import { z } from 'zod';
import { ensureCutsTable } from './cuts.js';
import { LabError } from './errors.js';
import { unmountBelow } from './mounts.js';
import { hasLink, inSwitch, ip, labNamespaces, machineLink, namespaceOf, switchNamespace } from './netns.js';

/** The lab's network: one switch, a namespace with a bridge, that has no way out. */
export const subnet = { network: '172.16.0.0', prefix: 24, gateway: '172.16.0.1', machine: '172.16.0.254' } as const;

const bridge = 'br0';

/** A route or an address of the machine: destination network, and the link that it is on. */
export interface NetworkUse {
  network: string;
  link: string;
}

/** The networks among `uses` that overlap the lab's and are not the lab's own. */
export function overlapping(uses: readonly NetworkUse[]): NetworkUse[] {
  return uses.filter(({ network, link }) => {
    if (link === machineLink || network === 'default' || network.includes(':')) return false;
    const [address = '', bits = '32'] = network.split('/');
    const shared = Math.min(Number(bits), subnet.prefix);
    if (shared === 0) return false;
    const block = new BlockList();
    block.addSubnet(subnet.network, shared);
    return block.check(address);
  });
}

const routes = z.array(z.object({ dst: z.string(), dev: z.string().default('none') }));

/** @throws LabError if the machine uses an address of the lab's network for something else */
export async function refuseForeignUse(): Promise<void> {
  const { stdout } = await execa('ip', ['-4', '-json', 'route', 'show', 'table', 'all']);
  const foreign = overlapping(routes.parse(JSON.parse(stdout)).map(({ dst, dev }) => ({ network: dst, link: dev })));
  if (foreign.length > 0) {
    const list = foreign.map(({ network, link }) => `${network} on ${link}`).join(', ');
    throw new LabError(
      `this machine already uses ${subnet.network}/${subnet.prefix}, the network of the lab (${list}): take that network down first`,
    );
  }
}

/** Makes the switch, or whatever of it is missing. */
export async function ensureSwitch(): Promise<void> {
  if (!(await labNamespaces()).includes(switchNamespace)) await ip('netns', 'add', switchNamespace);
  if (!(await hasLink(bridge, switchNamespace))) {
    await inSwitch('link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0');
  }
  await inSwitch('address', 'replace', `${subnet.gateway}/${subnet.prefix}`, 'dev', bridge);
  await inSwitch('link', 'set', 'lo', 'up');
  await inSwitch('link', 'set', bridge, 'up');
  // Packets for elsewhere, and lookups, are refused at once, each of them: dropped, they would cost seconds to minutes.
  const refuse = 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/icmp_ratelimit';
  await execa('ip', ['netns', 'exec', switchNamespace, 'sh', '-c', refuse]);
  await plugIn(machineLink, ['name', machineLink]);
  await ip('address', 'replace', `${subnet.machine}/${subnet.prefix}`, 'dev', machineLink);
  await ip('link', 'set', machineLink, 'up');
  await ensureCutsTable();
}

/**
 * Joins a new namespace for the host to the switch. One that is left from before is replaced.
 * @param address IPv4 address of the host
 */
export async function connect(host: string, address: string): Promise<void> {
  await disconnect(host);
  const namespace = namespaceOf(host);
  await ip('netns', 'add', namespace);
  await plugIn(namespace, ['name', 'eth0', 'netns', namespace, 'address', macAddress(address)]);
  const inHost = (...args: string[]): Promise<void> => ip('-netns', namespace, ...args);
  await inHost('address', 'add', `${address}/${subnet.prefix}`, 'dev', 'eth0');
  await inHost('link', 'set', 'lo', 'up');
  await inHost('link', 'set', 'eth0', 'up');
  await inHost('route', 'add', 'default', 'via', subnet.gateway);
}

/** Takes the host's port and namespace away; left, an empty namespace would go on answering for the address. */
export async function disconnect(host: string): Promise<void> {
  const namespaces = await labNamespaces();
  const port = namespaceOf(host);
  if (namespaces.includes(switchNamespace) && (await hasLink(port, switchNamespace))) {
    await inSwitch('link', 'delete', port).catch(async (error: unknown) => {
      // The kernel itself takes a port away once the last process of its host has ended, which may be now.
      if (await hasLink(port, switchNamespace)) throw error;
    });
  }
  if (namespaces.includes(port)) await removeNamespace(port);
}

async function removeNamespace(name: string): Promise<void> {
  await ip('netns', 'delete', name).catch(async (error: unknown) => {
    // What runs a host takes its namespace away once the host is off, which may be now.
    if ((await labNamespaces()).includes(name)) throw error;
  });
}

/** Removes every namespace of the lab and the machine's port. */
export async function removeNetwork(): Promise<void> {
  if (await hasLink(machineLink)) await ip('link', 'delete', machineLink);
  for (const namespace of await labNamespaces()) await removeNamespace(namespace);
  // ip-netns mounts its directory over itself for the first namespace and leaves that for good.
  if ((await readdir('/run/netns').catch(() => ['none'])).length === 0) await unmountBelow('/run/netns');
}

/** Makes `port` of the switch unless it is there; `peer` describes the other end of the cable in ip-link's words. */
async function plugIn(port: string, peer: readonly string[]): Promise<void> {
  if (!(await hasLink(port, switchNamespace))) {
    await ip('link', 'add', port, 'netns', switchNamespace, 'type', 'veth', 'peer', ...peer);
  }
  await inSwitch('link', 'set', port, 'master', bridge, 'up');
}

/** A locally administered MAC of its own for each address: a host that returns is known to its peers' ARP caches. */
export function macAddress(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return ['02', '00', ...bytes].join(':');
}
