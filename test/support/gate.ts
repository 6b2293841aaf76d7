import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { bootstrapTokenId } from '../../activities/bootstrap-token.js';
import type { ClusterContext } from '../../activities/cluster-context.js';
import { nodeActivities } from '../../activities/add-node.js';
import type { CertificateRequest, RequestPurpose } from '../../cluster/certificate-request.js';
import { kubeletAuthorities } from '../../cluster/pki.js';
import type { ClusterSpec, SpecReference } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { FakeApiServer } from './fake-api-server.js';
import { KubeletHost } from './kubelet-host.js';
import { openssl } from './openssl.js';
import { temporaryDirectory } from './temporary-directory.js';

type NodeActivities = ReturnType<typeof nodeActivities>;

/** The gate in front of a cluster: the activities as they are, an API server and the host of node01 as tests have them. */
export interface Gate {
  readonly spec: ClusterSpec;
  readonly reference: SpecReference;
  readonly server: FakeApiServer;
  readonly host: KubeletHost;
  /** User by which the kubelet of node01 asks for its client certificate. */
  readonly token: string;
  /** Files with the authorities of kubelets' certificates: certificate and key. */
  readonly authorities: Readonly<Record<RequestPurpose, string>>;
  /** Every line of the log. */
  readonly log: string[];
  /** Runs an activity as a worker does; rejects with what Temporal would be told. */
  perform<Name extends keyof NodeActivities>(
    name: Name,
    ...args: unknown[]
  ): Promise<Awaited<ReturnType<NodeActivities[Name]>>>;
  /** The client request that a person would be shown; fails if nobody would be asked. */
  shown(): Promise<CertificateRequest>;
  approve(request: CertificateRequest): Promise<unknown>;
}

export async function openGate(t: TestContext, approvals: object = {}): Promise<Gate> {
  const validated = validateSpec({
    name: 'small',
    kubernetes: 'v1.37.1',
    domain: 'example.org',
    approvals,
    hosts: [
      { name: 'master01', address: '172.16.0.101', roles: ['etcd', 'control-plane'] },
      { name: 'node01', address: '172.16.0.104', roles: ['node'] },
      { name: 'node02', address: '172.16.0.105', roles: ['node'] },
    ],
  });
  if ('problems' in validated) throw new Error(JSON.stringify(validated.problems));
  const { spec } = validated;
  const reference = { cluster: 'small', specDigest: '5'.repeat(64) };
  const server = await FakeApiServer.start(t);
  const host = await KubeletHost.create(t);
  const authorities = { client: await newAuthority(t), serving: await newAuthority(t) };
  const newest = async (name: string): Promise<{ generation: number; text: string }> => {
    const purpose = name === kubeletAuthorities.serving ? 'serving' : 'client';
    return { generation: 1, text: await readFile(authorities[purpose], 'utf8') };
  };
  const log: string[] = [];
  const context = {
    spec,
    kubernetes: server.api,
    host: (name: string) => host.remote(name),
    store: { pki: { newest, location: () => 'the test' } },
  } as unknown as ClusterContext;
  const activities = nodeActivities({
    contexts: { get: () => Promise.resolve(context) },
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
  } as unknown as Parameters<typeof nodeActivities>[0]);
  const perform: Gate['perform'] = (name, ...args) =>
    new MockActivityEnvironment().run(activities[name] as never, ...(args as never[]));
  return {
    spec,
    reference,
    server,
    host,
    token: `system:bootstrap:${bootstrapTokenId(spec, 'node01')}`,
    authorities,
    log,
    perform,
    shown: async () => {
      const found = await perform('awaitCertificateRequest', reference, 'node01');
      if (found.state !== 'asks') throw new Error(`nobody is asked: ${JSON.stringify(found)}`);
      return found.request;
    },
    approve: (request) =>
      perform('decideCertificateRequest', reference, request, { node: 'node01', decision: 'approve', approver: 'ada' }),
  };
}

async function newAuthority(t: TestContext): Promise<string> {
  const file = join(await temporaryDirectory(t), 'authority.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
  const certificate = await openssl('req', '-x509', ...key, '-subj', '/CN=kubernetes-ca', '-days', '1');
  await writeFile(file, certificate + (await readFile(file, 'utf8')));
  return file;
}

/** The failure with which an activity must end. */
export async function refusalOf(performed: Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await performed;
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
  throw new Error('the activity did not refuse');
}
