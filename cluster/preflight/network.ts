import { blockSize, contains, overlaps, parseCidr, parseIpv4, type Cidr } from '../network.js';
import { nodePath, paths } from '../ports.js';
import { sshSettings, type ClusterSpec, type Host } from '../spec.js';
import { hostsWithRole } from '../topology.js';
import type { Findings, Report } from './report.js';

/** A port of another host, on which a host must be let through. */
export interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** What a host must reach. Nodes are not in it: each is reached from one other for all (see {@link callers}). */
export function targets(spec: ClusterSpec, host: Host): Target[] {
  const wanted = waysFrom(spec, host).flatMap(({ others, port }) => others.map((other) => target(other, port)));
  const doors = waysFrom(spec, host).flatMap(({ others }) =>
    others.map((other) => target(other, sshSettings(spec, other).port)),
  );
  return [...new Map([...wanted, ...doors].map((one) => [`${one.address}:${one.port}`, one])).values()];
}

/** The hosts that may try whether a node can be reached, and what they try; none for other hosts. */
export function callers(
  spec: ClusterSpec,
  host: Host,
): { readonly hosts: readonly Host[]; readonly targets: Target[] } {
  const nodes = nodePath.to(spec);
  if (!nodes.includes(host)) return { hosts: [], targets: [] };
  return {
    hosts: hostsWithRole(spec, nodePath.from).filter((other) => other !== host),
    targets: [target(host, nodePath.port)],
  };
}

function waysFrom(spec: ClusterSpec, host: Host): { readonly others: readonly Host[]; readonly port: number }[] {
  return paths
    .filter(({ from }) => host.roles.includes(from))
    .map(({ to, port }) => ({ others: to(spec).filter(({ name }) => name !== host.name), port }));
}

function target({ name, address }: Host, port: number): Target {
  return { host: name, address, port };
}

/** Whether the way to other hosts is free, by what the host tried. */
export interface Reach extends Findings {
  /** Hosts of one purpose of which none answered at all: the host is cut off, or they are off for a moment. */
  readonly cutOff: readonly string[];
}

/**
 * A port that gives no answer on a host that answers to ssh has a packet filter before it. A host that does not answer at
 * all may be off, which its own look tells; only when all of a role are silent is this one cut off.
 */
export function judgeReach(spec: ClusterSpec, host: Host, report: Report): Reach {
  const answers = new Map(report.all('reach').map(([address, port, how]) => [`${address}:${port}`, how]));
  const answer = ({ address, port }: Target): string | undefined => answers.get(`${address}:${port}`);
  const passes = (one: Target): boolean => answer(one) === 'open' || answer(one) === 'refused';
  const asked = targets(spec, host).filter((one) => answer(one) !== undefined);
  const alive = new Set(asked.filter(passes).map(({ host: name }) => name));
  const filters = filtersOf(report);
  const blocked = asked.filter((one) => !passes(one) && alive.has(one.host));
  const dark = [...new Set(asked.map(({ host: name }) => name))].filter((name) => !alive.has(name));
  const lost = waysFrom(spec, host).flatMap(({ others }) =>
    others.every(({ name }) => dark.includes(name)) ? others.map(({ name }) => name) : [],
  );
  const cutOff = [...new Set(lost)];
  return {
    problems: [
      ...blocked.map(
        ({ host: name, address, port }) =>
          `cannot reach port ${port} of ${name} (${address}), which answers otherwise; a packet filter is between them${filters}; let TCP port ${port} through`,
      ),
      ...(cutOff.length > 0
        ? [
            `reaches none of ${cutOff.join(', ')}${filters}; see that the network lets hosts of the cluster through to each other`,
          ]
        : []),
    ],
    notes: dark.filter((name) => !cutOff.includes(name)).map((name) => `does not reach ${name} now`),
    cutOff,
  };
}

/** What another host of the cluster says of the way to this one. */
export function judgeCaller(caller: string, asked: readonly Target[], caught: Report, own: Report): string[] {
  return caught.all('reach').flatMap(([address, port, how]) => {
    if (how !== 'no' || !asked.some((one) => one.address === address && String(one.port) === port)) return [];
    return [
      `its port ${port} cannot be reached from ${caller}; a packet filter is between them${filtersOf(own)}; let TCP port ${port} through`,
    ];
  });
}

function filtersOf(report: Report): string {
  const names = [
    ...report.all('firewall').map(([name = '']) => name),
    ...report.all('drops').map(([hook = '', ...table]) => `table ${table.join(' ')}, which drops ${hook}`),
  ];
  return names.length === 0 ? '' : ` (here: ${names.join('; ')})`;
}

/** Packet filters, and networks of the host's own that pods or Services would hide. */
export function judgeNetwork(spec: ClusterSpec, host: Host, report: Report, adopted: boolean): Findings {
  const isNode = host.roles.includes('node');
  const firewalls = report.all('firewall').map(([name = '']) => name);
  const forward = report.all('drops').filter(([hook, , table]) => hook === 'forward' && table !== 'filter');
  const problems = isNode ? forward.map(([, ...table]) => dropsForwarded(table.join(' '))) : [];
  if (isNode && firewalls.includes('firewalld')) {
    problems.push(
      'firewalld runs here, and drops what pods send each other whatever the cluster allows; disable it (systemctl disable --now firewalld), and filter outside of the nodes',
    );
  }
  const filters = filtersOf(report);
  return {
    problems: [...problems, ...hiddenAddresses(spec, report), ...(adopted ? [] : hiddenNetworks(spec, report))],
    notes: [
      ...(filters === '' ? [] : [`a packet filter is on${filters}; docs/preflight.md lists what it must let through`]),
      ...(adopted ? [] : wideNetworks(spec, report)),
    ],
  };
}

function dropsForwarded(table: string): string {
  return `the table ${table} of nftables drops what is forwarded, and so what pods send; let the pod network through there, or remove the table`;
}

function blocks({ network }: ClusterSpec): { readonly field: string; readonly text: string; readonly block: Cidr }[] {
  return (['pods', 'services'] as const).flatMap((field) => {
    const block = parseCidr(network[field]);
    return block === undefined ? [] : [{ field: `network.${field}`, text: network[field], block }];
  });
}

function hiddenAddresses(spec: ClusterSpec, report: Report): string[] {
  return (['nameserver', 'gateway'] as const).flatMap((what) =>
    report.all(what).flatMap(([address = '']) => {
      const number = parseIpv4(address);
      return blocks(spec)
        .filter(({ block }) => number !== undefined && contains(block, number))
        .map(
          ({ field, text }) =>
            `its ${what === 'gateway' ? 'gateway' : 'name server'} ${address} is inside ${field} (${text}), and could not be reached any more; choose another block`,
        );
    }),
  );
}

/** A network inside one of the blocks is a real one, and would be gone. */
function hiddenNetworks(spec: ClusterSpec, report: Report): string[] {
  return routesOver(spec, report)
    .filter(({ isWider }) => !isWider)
    .map(
      ({ route, link, field, text }) =>
        `its network ${route} (${link}) is inside ${field} (${text}), and could not be reached any more; choose another block`,
    );
}

/** One around a block, such as 10.0.0.0/8, is a way to many; only who knows the site knows whether the block is free there. */
function wideNetworks(spec: ClusterSpec, report: Report): string[] {
  return routesOver(spec, report)
    .filter(({ isWider }) => isWider)
    .map(
      ({ route, link, field, text }) =>
        `${field} (${text}) hides what has such addresses in the network ${route} (${link})`,
    );
}

function routesOver(
  spec: ClusterSpec,
  report: Report,
): { route: string; link: string; field: string; text: string; isWider: boolean }[] {
  return report.all('route').flatMap(([route = '', link = '']) => {
    const network = parseCidr(route);
    if (network === undefined) return [];
    return blocks(spec)
      .filter(({ block }) => overlaps(network, block))
      .map(({ field, text, block }) => ({
        ...{ route, link, field, text },
        isWider: blockSize(network.prefix) > blockSize(block.prefix),
      }));
  });
}
