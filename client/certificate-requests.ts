import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowUpdateRPCTimeoutOrCancelledError, type Client } from '@temporalio/client';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import { clusterWorkflowId, decideCsrUpdate } from '../workflows/messages.js';
import { askAtTerminal } from './confirm.js';
import { UserError } from './errors.js';
import { print, tell, writeJson } from './output.js';
import { StatusReader, type WholeStatus } from './run-status.js';
import { explain, withTemporal } from './temporal.js';

/** Longest time that the run may take to answer a decision. */
const ANSWER_MS = 60_000;

/** A part of a digest that is long enough to mean one request. */
const prefix = /^[0-9a-f]{8,64}$/;

/** Requests that wait for a decision. */
export async function list(cluster: string, json: true | undefined): Promise<void> {
  await withTemporal(async (client) => {
    const { approvals } = await look(client, cluster);
    if (json === true) return writeJson(true, approvals.pending);
    if (approvals.pending.length === 0) print('no request waits');
    for (const { node, csrSha256, requester } of approvals.pending) {
      print(`${node}  ${csrSha256}  requested by ${requester}`);
    }
  });
}

/** Who asks for what. */
export async function show(
  node: string,
  { cluster, wait, json }: { readonly cluster: string; readonly wait: number; readonly json?: true },
): Promise<void> {
  await withTemporal(async (client) => {
    const request = await waitForRequest(client, cluster, node, wait);
    if (json === true) return writeJson(true, request);
    print(requestText(request));
  });
}

export interface DecideOptions {
  readonly cluster: string;
  /** The request that was shown, by the beginning of its digest; asked for at a terminal. */
  readonly sha256?: string;
  readonly approver: string;
  readonly reason?: string;
  readonly wait: number;
}

/**
 * Decides about the request that was shown, and about no other.
 *
 * @throws UserError when it is another, when the run refuses the decision, or nobody says which request is meant
 */
export async function decide(
  node: string,
  decision: 'approve' | 'deny',
  { cluster, sha256, approver, reason, wait }: DecideOptions,
): Promise<void> {
  if (sha256 === undefined && !process.stdin.isTTY) {
    throw new UserError(
      `which request of ${node}? Without a terminal, say so: approve-csr ${decision} ${node} SHA256, as approve-csr show ${node} prints it`,
    );
  }
  if (sha256 !== undefined && !prefix.test(sha256)) {
    throw new UserError(`"${sha256}" is no part of a sha256; allowed: its first 8 to 64 characters, 0-9 and a-f`);
  }
  await withTemporal(async (client) => {
    const request = await waitForRequest(client, cluster, node, wait);
    if (sha256 !== undefined && !request.csrSha256.startsWith(sha256)) {
      throw new UserError(
        `the request of ${node} is ${request.csrSha256}, not ${sha256}; look at it again: approve-csr show ${node} --cluster ${cluster}`,
      );
    }
    if (sha256 === undefined) {
      tell(requestText(request));
      const answer = await askAtTerminal(`Type ${decision} to ${decision} this request: `);
      if (answer !== decision) throw new UserError(`"${answer}" was typed; nothing was decided`);
    }
    const { csrSha256 } = request;
    const said = { node, csrSha256, decision, approver, ...(reason === undefined ? {} : { reason }) };
    const handle = client.workflow.getHandle(clusterWorkflowId(cluster));
    const reply = await client
      .withDeadline(Date.now() + ANSWER_MS, () => handle.executeUpdate(decideCsrUpdate, { args: [said] }))
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw explain(error, cluster);
        throw new UserError(
          `no worker has answered within ${ANSWER_MS / 1000} s; whether it was decided, start-workflow status --cluster ${cluster} says once one runs (npm run worker)`,
        );
      });
    if (!reply.accepted) throw new UserError(`nothing was decided: ${reply.why}`);
    print(`${decision === 'approve' ? 'approved' : 'denied'} ${node} (${csrSha256.slice(0, 12)}) as ${approver}`);
  });
}

function requestText({ usages, names, ...request }: CertificateRequest): string {
  const rows: Record<string, string> = { ...request, usages: usages.join(', '), names: names.join(', ') || 'none' };
  return [
    ...Object.entries(rows).map(([name, value]) => `${name.padEnd(10)} ${value}`),
    `the key that waits on ${request.node} is this one; requester, signer, subject, usages and names are as the cluster file says`,
  ].join('\n');
}

/** Waits for the request, and for the run that brings it: whoever approves may be there first. */
async function waitForRequest(
  client: Client,
  cluster: string,
  node: string,
  seconds: number,
): Promise<CertificateRequest> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const over = Date.now() >= deadline;
    const status = over
      ? await look(client, cluster)
      : await new StatusReader(client, cluster).read().catch(() => undefined);
    if (over || status?.approvals.pending.some((request) => request.node === node) === true) {
      return pendingOf(status ?? (await look(client, cluster)), node);
    }
    await delay(500);
  }
}

async function look(client: Client, cluster: string): Promise<WholeStatus> {
  return new StatusReader(client, cluster).read().catch((error: unknown) => {
    throw explain(error, cluster);
  });
}

function pendingOf({ approvals }: WholeStatus, node: string): CertificateRequest {
  const request = approvals.pending.find((candidate) => candidate.node === node);
  if (request === undefined) {
    const waiting = approvals.pending.map((candidate) => candidate.node).join(', ');
    throw new UserError(`${node} has no request waiting; waiting: ${waiting || 'none'}`);
  }
  return request;
}
