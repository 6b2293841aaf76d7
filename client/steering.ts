import type { SignalDefinition } from '@temporalio/common';
import {
  abortSignal,
  clusterWorkflowId,
  hostBackSignal,
  retryStepSignal,
  skipStepSignal,
} from '../workflows/messages.js';
import type { Said } from '../workflows/engine/steering.js';
import { UserError } from './errors.js';
import { print, writeJson } from './output.js';
import { interventionText, retryText, watch } from './progress.js';
import { StatusReader } from './run-status.js';
import { explain, operator, uiAddress, withTemporal } from './temporal.js';

/** Shows the newest run of a cluster, once or until it ends. */
export async function status(options: { cluster: string; watch?: true; json?: string | true }): Promise<void> {
  const { cluster } = options;
  await withTemporal(async (client) => {
    const reader = new StatusReader(client, cluster);
    if (options.watch === true) await watch(() => reader.read(), cluster);
    const now = await reader.read().catch((error: unknown) => {
      throw explain(error, cluster);
    });
    await writeJson(options.json, now);
    if (options.json === true) return;
    print(`${now.operation} of ${cluster}: ${now.state}; history: ${uiAddress(now.workflowId)}`);
    if (now.pausing !== undefined) {
      print(
        `  the history is long: no step starts until these are over, then the run continues as new: ${now.pausing.join('; ')}`,
      );
    }
    for (const step of now.steps) {
      print(
        `  ${step.state.padEnd(8)} ${step.id.padEnd(36)} ${step.title}${step.problem === undefined ? '' : `: ${step.problem}`}`,
      );
    }
    for (const { node, decision, approver, at, reason } of now.approvals.decided) {
      print(
        `  ${decision === 'approve' ? 'approved' : 'denied'} ${node} by ${approver} at ${at}${reason === undefined ? '' : `: ${reason}`}`,
      );
    }
    for (const said of now.interventions) print(`  ${interventionText(said)}`);
    for (const retry of now.retries) print(`  ${retryText(retry)}`);
    for (const { node, csrSha256 } of now.approvals.pending) {
      print(`  waits for approve-csr approve ${node} ${csrSha256.slice(0, 12)} --cluster ${cluster}`);
    }
  });
}

/** Which held steps are answered: one by its id, or every one. */
export type HeldSteps = { readonly id: string } | 'all';

/** Answers held steps; refuses a step that is not held, by name. */
export async function answerSteps(
  cluster: string,
  which: HeldSteps,
  answer: 'retry' | 'skip',
  why: string,
): Promise<void> {
  await withTemporal(async (client) => {
    const { steps } = await new StatusReader(client, cluster).read().catch((error: unknown) => {
      throw explain(error, cluster);
    });
    const held = steps.filter(({ state }) => state === 'held').map(({ id }) => id);
    if (which === 'all' && held.length === 0) throw new UserError(`no step of ${cluster} is held`);
    if (which !== 'all' && !held.includes(which.id)) {
      throw new UserError(`step ${which.id} is not held; held steps: ${held.join(', ') || 'none'}`);
    }
    for (const step of which === 'all' ? held : [which.id]) {
      await client.workflow
        .getHandle(clusterWorkflowId(cluster))
        .signal(answer === 'retry' ? retryStepSignal : skipStepSignal, { step, by: operator(), why });
      print(`${step} will be ${answer === 'retry' ? 'tried again' : 'skipped'}`);
    }
  });
}

/** Ends the run of a cluster. */
export async function abort(cluster: string, why: string): Promise<void> {
  await tell(cluster, abortSignal, { by: operator(), why });
  print(`the run of ${cluster} ends; its hosts stay as they are`);
}

/** Tells a drill that its host is on again. */
export async function hostBack(cluster: string, host: string, why: string): Promise<void> {
  await tell(cluster, hostBackSignal, { host, by: operator(), why });
  print(`the drill of ${cluster} knows that ${host} is back`);
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
