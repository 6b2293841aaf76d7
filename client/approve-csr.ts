#!/usr/bin/env node
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { Command, Option } from 'commander';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import { approveCsrSignal, clusterWorkflowId } from '../workflows/messages.js';
import { exitOnWrongUse, runCommand, UserError } from './errors.js';
import { writeJson } from './output.js';
import { wholeStatus, type WholeStatus } from './run-status.js';
import { explain, operator, withTemporal } from './temporal.js';

const cluster = (): Option => new Option('--cluster <name>', 'name of the cluster').makeOptionMandatory();

const program = new Command('approve-csr')
  .description(
    'Decides about the certificate requests of nodes that join; a decision is bound to the sha256 of a request.',
  )
  .showHelpAfterError('(add --help for the options)')
  .exitOverride(exitOnWrongUse);

program
  .command('list')
  .description('requests that wait for a decision')
  .addOption(cluster())
  .addOption(new Option('--json', 'as JSON'))
  .action((options: { cluster: string; json?: true }) =>
    runCommand(() =>
      withTemporal(async (client) => {
        const { approvals } = await look(client, options.cluster);
        if (options.json === true) return writeJson(true, approvals.pending);
        if (approvals.pending.length === 0) process.stdout.write('no request waits\n');
        for (const { node, csrSha256, requester } of approvals.pending) {
          process.stdout.write(`${node}  ${csrSha256}  requested by ${requester}\n`);
        }
      }),
    ),
  );

program
  .command('show')
  .description('who asks for what')
  .argument('<node>')
  .addOption(cluster())
  .action((node: string, options: { cluster: string }) =>
    runCommand(() =>
      withTemporal(async (client) => {
        const request = pendingOf(await look(client, options.cluster), node);
        const rows = { ...request, usages: request.usages.join(', '), names: request.names.join(', ') || 'none' };
        for (const [name, value] of Object.entries(rows)) process.stdout.write(`${name.padEnd(10)} ${value}\n`);
        process.stdout.write(
          'checked by rule: requester, signer, subject, usages, key and signature are as they must be\n',
        );
      }),
    ),
  );

for (const decision of ['approve', 'deny'] as const) {
  program
    .command(decision)
    .description(`${decision} a node's request`)
    .argument('<node>')
    .addOption(cluster())
    .option('--sha256 <digest>', 'decide only about this request, as show prints it')
    .option('--approver <name>', 'who decides', operator())
    .option('--reason <text>', 'why, for the record')
    .option('--wait <seconds>', 'wait that long for the request to arrive', '0')
    .action((node: string, options: DecideOptions) =>
      runCommand(() => withTemporal((client) => decide(client, node, decision, options))),
    );
}

interface DecideOptions {
  readonly cluster: string;
  readonly sha256?: string;
  readonly approver: string;
  readonly reason?: string;
  readonly wait: string;
}

async function decide(
  client: Client,
  node: string,
  decision: 'approve' | 'deny',
  { cluster: name, sha256, approver, reason, wait }: DecideOptions,
): Promise<void> {
  const request = await waitForRequest(client, name, node, Number(wait));
  const csrSha256 = sha256 ?? request.csrSha256;
  if (csrSha256 !== request.csrSha256) {
    throw new UserError(
      `the request of ${node} is ${request.csrSha256}, not ${csrSha256}; look at it again: approve-csr show ${node}`,
    );
  }
  await client.workflow
    .getHandle(clusterWorkflowId(name))
    .signal(approveCsrSignal, { node, csrSha256, decision, approver, ...(reason === undefined ? {} : { reason }) });
  process.stdout.write(
    `${decision === 'approve' ? 'approved' : 'denied'} ${node} (${csrSha256.slice(0, 12)}...) as ${approver}\n`,
  );
}

/** Waits for the request, and for the run that brings it: whoever approves may be there first. */
async function waitForRequest(
  client: Client,
  name: string,
  node: string,
  seconds: number,
): Promise<CertificateRequest> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const over = Date.now() >= deadline;
    const status = over ? await look(client, name) : await wholeStatus(client, name).catch(() => undefined);
    if (over || status?.approvals.pending.some((request) => request.node === node) === true) {
      return pendingOf(status ?? (await look(client, name)), node);
    }
    await delay(500);
  }
}

async function look(client: Client, name: string): Promise<WholeStatus> {
  return wholeStatus(client, name).catch((error: unknown) => {
    throw explain(error, name);
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

await program.parseAsync();
