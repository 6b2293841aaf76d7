import { portsOf, type ComponentPort } from '../components/index.js';
import { listeningUnits } from '../ports.js';
import type { ClusterSpec, Host } from '../spec.js';
import type { Findings, Report } from './report.js';

const CONTAINERD = 'containerd.service';
export const KUBELET = 'kubelet.service';
/** Services of others that cannot live beside what a node gets. */
const rivals = {
  docker: 'docker.service',
  haproxy: 'haproxy.service',
} as const;
/** What flannel's pods write; the runtime takes the first one of the directory by name. */
const OUR_CNI = '/etc/cni/net.d/10-flannel.conflist';
/** Kubernetes' pods are in this namespace of containerd (pkg/cri/constants). */
const POD_NAMESPACE = 'k8s.io';

/** Every unit that a look must tell of. */
export const askedUnits: readonly string[] = [...listeningUnits, CONTAINERD, ...Object.values(rivals)];

/**
 * What else lives on the host, and would be replaced, stopped, or in the way. Owners are told by what this project wrote
 * down: neither a program's name nor its place says whose it is.
 */
export function judgeOthers(spec: ClusterSpec, host: Host, report: Report): Findings {
  const isNode = host.roles.includes('node');
  const ports = portsOf(spec, host);
  const units = [...new Set([...ports.map(({ unit }) => unit), ...(isNode ? [CONTAINERD] : [])])];
  return {
    problems: [
      ...units.flatMap((unit) => foreignUnit(report, unit)),
      ...units.flatMap((unit) => dropIns(report, unit, 'command')),
      ...takenPorts(ports, report),
      ...(isNode ? [...rivalServices(report), ...foreignContainers(report), ...foreignPodNetwork(report)] : []),
    ],
    notes: units.flatMap((unit) => [...replacedUnit(report, unit), ...dropIns(report, unit, 'other')]),
  };
}

function isForeign(report: Report, unit: string): boolean {
  return report.unit(unit, 'FragmentPath') !== '' && !report.made('unit', unit);
}

/** Whether a unit runs, tries to, or starts with the host. */
function isInUse(report: Report, unit: string): boolean {
  const state = report.unit(unit, 'ActiveState');
  return (
    (state !== '' && state !== 'inactive' && state !== 'failed') || report.unit(unit, 'UnitFileState') === 'enabled'
  );
}

function foreignUnit(report: Report, unit: string): string[] {
  if (!isForeign(report, unit) || !isInUse(report, unit)) return [];
  return [
    `${unit} of another installation is in use (${report.unit(unit, 'FragmentPath')}, ${report.unit(unit, 'ActiveState')}); the cluster puts its own in its place; remove that installation, or take another host`,
  ];
}

function replacedUnit(report: Report, unit: string): string[] {
  if (!isForeign(report, unit) || isInUse(report, unit)) return [];
  return [`${unit} of another installation (${report.unit(unit, 'FragmentPath')}, not in use) is put out of the way`];
}

/** A drop-in holds over the unit that it belongs to, whoever wrote that (systemd.unit(5)). */
function dropIns(report: Report, unit: string, kind: 'command' | 'other'): string[] {
  return report
    .all('drop-in')
    .filter(([of, , what]) => of === unit && what === kind)
    .map(([, path = '']) =>
      kind === 'command'
        ? `${path} sets another command for ${unit} than the cluster's; remove the package that it belongs to (dpkg -S ${path}), or the file`
        : `${path} changes ${unit}, and stays`,
    );
}

function takenPorts(wanted: readonly ComponentPort[], report: Report): string[] {
  return report.all('port').flatMap(([port = '', unit = '-', ...name]) => {
    const program = wanted.find((one) => String(one.port) === port)?.program;
    // The kernel's own sockets, and those of a process that has just gone, have no owner to judge by.
    if (program === undefined || report.made('unit', unit) || (unit === '-' && report.journal !== undefined)) return [];
    const owner = [name.join(' '), unit].filter((word) => word !== '' && word !== '-').join(' of ');
    return [`port ${port} is taken by ${owner || 'another program'}; ${program} needs it; stop that program`];
  });
}

function rivalServices(report: Report): string[] {
  const problems: string[] = [];
  if (isInUse(report, rivals.docker)) {
    problems.push(
      'docker.service is in use; it shares containerd with a node and sets rules that cut pods off; remove docker, or take another host',
    );
  }
  const brought = report.made('package', 'haproxy') || report.made('unit', rivals.haproxy);
  if (!brought && report.unit(rivals.haproxy, 'ActiveState') === 'active') {
    problems.push(
      'haproxy.service serves something here; a node stops the one of the distribution; move it to another host, or stop and disable it',
    );
  }
  return problems;
}

/** `NAMESPACE: COUNT` of containers that are no pods'; empty where there are none. */
export function othersContainers(report: Report): string {
  const counts = new Map<string, number>();
  for (const [namespace = ''] of report.all('container-of')) {
    if (namespace !== POD_NAMESPACE) counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
  }
  return [...counts].map(([namespace, count]) => `${namespace}: ${count}`).join(', ');
}

function foreignContainers(report: Report): string[] {
  if (!report.has('container-of') || report.made('unit', CONTAINERD)) return [];
  const whose = othersContainers(report) || 'pods of another kubelet';
  return [
    `containers of others are here (${whose}); the cluster replaces their containerd; remove them, or take another host`,
  ];
}

function foreignPodNetwork(report: Report): string[] {
  const path = report.all('cni').map(([file = '']) => file);
  const configurations = report.made('unit', CONTAINERD) ? path.filter((file) => file < OUR_CNI) : path;
  const ours = report.made('unit', KUBELET);
  return [
    ...configurations.map(
      (file) =>
        `${file} configures another pod network than the cluster's, and pods would hang in it; move it away, or remove what it belongs to`,
    ),
    ...(ours ? [] : report.all('link')).map(
      ([link = '']) =>
        `the link ${link} of another pod network is here, and pods would hang; remove that installation, then: ip link delete ${link}`,
    ),
    ...(ours ? [] : report.all('service-rules')).map(
      ([how = '']) =>
        `rules of another kube-proxy are here (${how}); they catch Services of this cluster; remove that installation and restart the host`,
    ),
  ];
}
