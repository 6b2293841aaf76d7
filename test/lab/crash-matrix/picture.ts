import { setTimeout as delay } from 'node:timers/promises';
import type { LabRun } from '../harness.js';
import { clusterPicture, type ClusterPicture } from './cluster-picture.js';
import { hostPicture, leftovers, markBeginning, type HostPicture } from './host-picture.js';

/** What a deployment has made of hosts, cluster and state store. */
export interface Picture {
  readonly hosts: Readonly<Record<string, HostPicture>>;
  readonly cluster: ClusterPicture;
}

export const masters = ['master01', 'master02', 'master03'];
export const nodes = ['node01', 'node02'];
export const hosts = [...masters, ...nodes];

/** To be called on new hosts, before the deployment. */
export async function beforeDeployment(lab: LabRun): Promise<void> {
  await Promise.all(hosts.map((host) => markBeginning(lab, host)));
}

/** Namespaces that are being removed, and kubelets that report, get this time to settle. */
const SETTLE_MS = 60_000;

/** Takes the picture once nothing is in motion any more. */
export async function takePicture(lab: LabRun): Promise<Picture> {
  const deadline = Date.now() + SETTLE_MS;
  while (Date.now() < deadline && (await inMotion(lab))) await delay(1000);
  // One after the other: what asks the cluster is a process on a host.
  const cluster = await clusterPicture(lab, 'master01');
  const pictures = await Promise.all(hosts.map(async (host) => [host, await hostPicture(lab, host)] as const));
  return { hosts: Object.fromEntries(pictures), cluster };
}

async function inMotion(lab: LabRun): Promise<boolean> {
  const text = await lab.asOperator('master01', 'kubectl get namespaces,pods -A --no-headers');
  return /Terminating|Pending|ContainerCreating|ha-kubernetes-check/.test(text);
}

/** Everything by which a run differs from an undisturbed one, and everything that no run may leave. */
export function differences(undisturbed: Picture, picture: Picture): string[] {
  return [
    ...hosts.flatMap((host) => {
      const [before, after] = [undisturbed.hosts[host], picture.hosts[host]];
      if (before === undefined || after === undefined) return [`${host}: there is no picture`];
      return [...changed(before, after), ...leftovers(after)].map((line) => `${host} ${line}`);
    }),
    ...changed(onceEach(undisturbed), onceEach(picture)).map((line) => `cluster ${line}`),
    ...rules(onceEach(picture)),
  ];
}

/**
 * A kubelet keeps the key of a request for a serving certificate in its memory until it has the certificate, and is
 * restarted once when it has joined: it may have asked a second time, as one may whose host was started again. A request
 * of a key that is lost is denied when the next one is there.
 */
function onceEach({ hosts: pictures, cluster }: Picture): ClusterPicture {
  const startedAgain = hosts.filter((host) => pictures[host]?.starts === undefined);
  const mayRepeat = (line: string): boolean =>
    line.includes(', asked by system:node:') || startedAgain.some((host) => line.startsWith(`${host}, `));
  const lost = (line: string): boolean => line.includes(', asked by system:node:') && line.endsWith(': Denied');
  const requests = cluster.requests.filter(
    (line, index, all) => !lost(line) && (all.indexOf(line) === index || !mayRepeat(line)),
  );
  return { ...cluster, requests };
}

/** What is true of every cluster after a deployment, whatever another one looks like. */
function rules({ requests, secrets, tokens }: ClusterPicture): string[] {
  return [
    ...tokens.map((token) => `a bootstrap token is left: ${token}`),
    ...secrets.filter((file) => !file.endsWith('/1.pem')).map((file) => `issued more than once: ${file}`),
    ...requests.filter((line) => !line.endsWith(': Approved, issued')).map((line) => `an open request: ${line}`),
  ];
}

type Lines = Readonly<Record<string, readonly string[] | undefined>>;

/** What is not known in one of the two is not compared. */
function changed(before: HostPicture | ClusterPicture, after: HostPicture | ClusterPicture): string[] {
  return Object.entries(before as unknown as Lines).flatMap(([what, lines]) => {
    const now = (after as unknown as Lines)[what];
    if (lines === undefined || now === undefined) return [];
    return [
      ...without(lines, now).map((line) => `${what}: missing ${line}`),
      ...without(now, lines).map((line) => `${what}: new ${line}`),
    ];
  });
}

/** Lines of one list that the other lacks; a line that is there twice must be there twice. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
