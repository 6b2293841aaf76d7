import { heartbeat, sleep } from '@temporalio/activity';
import type { Activities } from '../../activities/index.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { destroySteps } from '../../cluster/operations/destroy.js';
import type { ComponentStep } from '../../cluster/operations/preparation.js';
import { rotationSteps } from '../../cluster/operations/rotate-encryption-key.js';
import { addNodeSteps } from '../../cluster/operations/add-node.js';
import { deploySteps } from '../../cluster/operations/deploy-ha.js';
import { hostByName } from '../../cluster/topology.js';
import type { CertificateRequest } from '../../cluster/certificate-request.js';

/** The smallest cluster in which something joins: one master and one node. */
export const smallSpec = specOf([
  { name: 'master01', address: '172.16.0.101', roles: ['etcd', 'control-plane'] },
  { name: 'node01', address: '172.16.0.104', roles: ['node'] },
]);

/** The spec of a cluster with these hosts. */
export function specOf(hosts: unknown): ClusterSpec {
  const result = validateSpec({ name: 'small', kubernetes: 'v1.20.2', domain: 'example.org', hosts });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.spec;
}

/** A step that applies to the host of its own name, so that a mocked `applyComponent` knows it by its host. */
export function plainStep(id: string, ...needs: string[]): ComponentStep {
  return { kind: 'component', name: 'host', host: id, id, title: `Do ${id}`, needs };
}

/** What an activity that draws a plan answers. */
export function planOf<Step>(steps: Step[]): Promise<{ steps: Step[]; attempts: number }> {
  return Promise.resolve({ steps, attempts: 1 });
}

/** Who tells a run something in a test, and why. */
export const ada = { by: 'ada', why: 'it is mended' };

/** The request that the kubelet of a node sends; another `attempt` is another key. */
export function requestOf(node: string, attempt = 1): CertificateRequest {
  return {
    node,
    purpose: 'client',
    name: `node-csr-${node}-${attempt}`,
    uid: `6f1a0000-0000-4000-8000-${String(attempt).padStart(12, '0')}`,
    csrSha256: String(attempt).padStart(64, 'a'),
    requester: 'system:bootstrap:ab12cd',
    signer: 'kubernetes.io/kube-apiserver-client-kubelet',
    subject: `CN=system:node:${node}, O=system:nodes`,
    usages: ['client auth', 'digital signature', 'key encipherment'],
    names: [],
    key: 'EC 256',
    keySha256: String(attempt).padStart(64, 'b'),
  };
}

export interface Call {
  readonly name: keyof Activities;
  readonly args: readonly unknown[];
}

export interface Mock {
  readonly activities: Activities;
  /** Every attempt of every activity, in order. */
  readonly calls: readonly Call[];
  callsOf(name: keyof Activities): readonly (readonly unknown[])[];
}

/** Activities for which all is as it should be, less what a test says otherwise; they record how they are called. */
export function mockActivities(overrides: Partial<Activities> = {}, spec: ClusterSpec = smallSpec): Mock {
  const asItShould = { attempts: 1, changed: 0, note: 'as it should be' };
  const changing = { attempts: 1, changed: 1, note: '1 changed' };
  const leases = { 'kube-controller-manager': 'master01', 'kube-scheduler': 'master02' };
  const defaults: Activities = {
    planDeployment: () => planOf(deploySteps(spec)),
    planNode: (_reference, host) => planOf(addNodeSteps(spec, hostByName(spec, host))),
    inspectHost: (_reference, host) =>
      Promise.resolve({ host, problems: [], notes: ['fit'], clockOffsetMs: 0, attempts: 1 }),
    applyComponent: () => Promise.resolve(changing),
    listHosts: () => Promise.resolve({ hosts: spec.hosts.map(({ name }) => name), attempts: 1 }),
    planHost: (_reference, host) => Promise.resolve({ host, notes: [], changes: [], attempts: 1 }),
    issueCertificates: () => Promise.resolve(changing),
    fetchArtifacts: () => Promise.resolve(asItShould),
    checkEtcd: () => Promise.resolve(asItShould),
    awaitControlPlane: () => Promise.resolve(asItShould),
    awaitControllers: () => Promise.resolve(asItShould),
    applyManifests: () => Promise.resolve(changing),
    writeKubeconfig: () => Promise.resolve(changing),
    verifyCluster: () => Promise.resolve({ ...asItShould, checks: [{ name: 'DNS', ok: true, detail: '' }] }),
    describeCluster: () =>
      Promise.resolve({
        kubernetes: spec.kubernetes,
        nodes: [{ name: 'node01', ready: true, version: spec.kubernetes }],
        etcd: { members: 1, leader: 'master01' },
        leases,
        kubeconfig: '/state/admin.conf',
        attempts: 1,
      }),
    issueBootstrapToken: () => Promise.resolve(changing),
    awaitCertificateRequest: (_reference, node) =>
      Promise.resolve({ state: 'asks', request: requestOf(node), byInventory: true, attempts: 1 }),
    awaitCertificate: () => Promise.resolve({ state: 'member', attempts: 1 }),
    awaitServingRequest: () => Promise.resolve({ state: 'member', attempts: 1 }),
    awaitServingCertificate: () => Promise.resolve({ state: 'member', attempts: 1 }),
    checkIssuedCertificate: () => Promise.resolve({ differences: [], attempts: 1 }),
    keepNodeOut: () => Promise.resolve(changing),
    decideCertificateRequest: () => Promise.resolve({ changed: 1, attempts: 1 }),
    awaitNodeReady: () => Promise.resolve(asItShould),
    revokeBootstrapToken: () => Promise.resolve(changing),
    checkControlPlane: () => Promise.resolve(asItShould),
    findVictim: (_reference, lease) => Promise.resolve({ ...asItShould, victim: leases[lease], holders: leases }),
    powerOff: () => Promise.resolve(changing),
    watchLeasesMove: () =>
      Promise.resolve({
        after: { 'kube-controller-manager': 'master03', 'kube-scheduler': 'master02' },
        leaseMoveSeconds: 12.5,
        nodesNotReady: [],
        attempts: 1,
      }),
    checkReach: () => Promise.resolve(asItShould),
    powerOn: () => Promise.resolve({ ...changing, byCommand: true }),
    planRotation: () => planOf(rotationSteps(spec)),
    advanceEncryptionKey: () => Promise.resolve(changing),
    rewriteSecrets: () => Promise.resolve(changing),
    auditHost: (_reference, host) =>
      Promise.resolve({ host, benchmark: 'cis-1.12', passed: 60, failed: [], warned: [], attempts: 1 }),
    awaitRecovery: () => Promise.resolve(asItShould),
    planDestruction: () => planOf(destroySteps(spec)),
    inspectForRemoval: (_reference, host) =>
      Promise.resolve({ host, problems: [], notes: ['part of small'], attempts: 1 }),
    removeFromHost: () => Promise.resolve({ ...changing, kept: [] }),
    removeKubeconfig: () => Promise.resolve(changing),
  };
  const calls: Call[] = [];
  const recorded = Object.entries({ ...defaults, ...overrides }).map(([name, perform]) => [
    name,
    (...args: unknown[]) => {
      calls.push({ name: name as keyof Activities, args });
      return (perform as (...args: unknown[]) => Promise<unknown>)(...args);
    },
  ]);
  return {
    activities: Object.fromEntries(recorded) as Activities,
    calls,
    callsOf: (name) => calls.filter((call) => call.name === name).map(({ args }) => args),
  };
}

/** Goes on until the workflow cancels it, as an activity that waits for a host does. */
export async function untilCancelled(): Promise<never> {
  for (;;) {
    heartbeat();
    await sleep(50);
  }
}
