import type { SignalDefinition } from '@temporalio/common';
import {
  abortSignal,
  clusterWorkflowId,
  hostBackSignal,
  retryStepSignal,
  skipStepSignal,
} from '../workflows/messages.js';
import type { Said } from '../workflows/steering.js';
import { UserError } from './errors.js';
import { writeJson } from './output.js';
import { interventionText, watch } from './progress.js';
import { wholeStatus } from './run-status.js';
import { explain, operator, uiAddress, withTemporal } from './temporal.js';

/** Shows the newest run of a cluster, once or until it ends. */
export async function status(options: { cluster: string; watch?: true; json?: string | true }): Promise<void> {
  const { cluster } = options;
  await withTemporal(async (client) => {
    if (options.watch === true) await watch(() => wholeStatus(client, cluster), cluster);
    const now = await wholeStatus(client, cluster).catch((error: unknown) => {
      throw explain(error, cluster);
    });
    await writeJson(options.json, now);
    if (options.json === true) return;
    process.stdout.write(`${now.operation} of ${cluster}: ${now.state}; history: ${uiAddress(now.workflowId)}\n`);
    if (now.pausing !== undefined) {
      process.stdout.write(
        `  the history is long: no step starts until these are over, then the run continues as new: ${now.pausing.join('; ')}\n`,
      );
    }
    for (const step of now.steps) {
      process.stdout.write(
        `  ${step.state.padEnd(8)} ${step.id.padEnd(36)} ${step.title}${step.problem === undefined ? '' : `: ${step.problem}`}\n`,
      );
    }
    for (const { node, decision, approver, at, reason } of now.approvals.decided) {
      process.stdout.write(
        `  ${decision === 'approve' ? 'approved' : 'denied'} ${node} by ${approver} at ${at}${reason === undefined ? '' : `: ${reason}`}\n`,
      );
    }
    for (const said of now.interventions) process.stdout.write(`  ${interventionText(said)}\n`);
    for (const { attempt, problem } of now.retries) {
      process.stdout.write(`  attempt ${attempt}, as the one before failed: ${problem}\n`);
    }
    for (const { node, csrSha256 } of now.approvals.pending) {
      process.stdout.write(`  waits for approve-csr approve ${node} ${csrSha256.slice(0, 12)} --cluster ${cluster}\n`);
    }
  });
}

/** Answers a held step; refuses a step that is not held, by name. */
export async function answerStep(cluster: string, step: string, answer: 'retry' | 'skip', why: string): Promise<void> {
  await withTemporal(async (client) => {
    const { steps } = await wholeStatus(client, cluster).catch((error: unknown) => {
      throw explain(error, cluster);
    });
    const held = steps.filter(({ state }) => state === 'held').map(({ id }) => id);
    if (!held.includes(step)) {
      throw new UserError(`step ${step} is not held; held steps: ${held.join(', ') || 'none'}`);
    }
    await client.workflow
      .getHandle(clusterWorkflowId(cluster))
      .signal(answer === 'retry' ? retryStepSignal : skipStepSignal, { step, by: operator(), why });
    process.stdout.write(`${step} will be ${answer === 'retry' ? 'tried again' : 'skipped'}\n`);
  });
}

/** Ends the run of a cluster. */
export async function abort(cluster: string, why: string): Promise<void> {
  await tell(cluster, abortSignal, { by: operator(), why });
  process.stdout.write(`the run of ${cluster} ends; its hosts stay as they are\n`);
}

/** Tells a drill that its host is on again. */
export async function hostBack(cluster: string, host: string, why: string): Promise<void> {
  await tell(cluster, hostBackSignal, { host, by: operator(), why });
  process.stdout.write(`the drill of ${cluster} knows that ${host} is back\n`);
}

async function tell<Message extends Said>(
  cluster: string,
  signal: SignalDefinition<[Message]>,
  message: Message,
): Promise<void> {
  await withTemporal(async (client) => {
    await client.workflow
      .getHandle(clusterWorkflowId(cluster))
      .signal(signal, message)
      .catch((error: unknown) => {
        throw explain(error, cluster);
      });
  });
}
