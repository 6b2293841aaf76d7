import {
  abortSignal,
  clusterWorkflowId,
  hostBackSignal,
  retryStepSignal,
  skipStepSignal,
} from '../workflows/messages.js';
import { UserError } from './errors.js';
import { writeJson } from './output.js';
import { watch } from './progress.js';
import { wholeStatus } from './run-status.js';
import { explain, uiAddress, withTemporal } from './temporal.js';

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
    for (const { attempt, problem } of now.retries) {
      process.stdout.write(`  attempt ${attempt}, as the one before failed: ${problem}\n`);
    }
    for (const { node, csrSha256 } of now.approvals.pending) {
      process.stdout.write(
        `  waits for approve-csr approve ${node} --cluster ${cluster} (request ${csrSha256.slice(0, 12)}...)\n`,
      );
    }
  });
}

/** Answers a held step; refuses a step that is not held, by name. */
export async function answerStep(cluster: string, step: string, answer: 'retry' | 'skip'): Promise<void> {
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
      .signal(answer === 'retry' ? retryStepSignal : skipStepSignal, step);
    process.stdout.write(`${step} will be ${answer === 'retry' ? 'tried again' : 'skipped'}\n`);
  });
}

/** Ends the run of a cluster. */
export async function abort(cluster: string, reason: string): Promise<void> {
  await signal(cluster, abortSignal, reason);
  process.stdout.write(`the run of ${cluster} ends; its hosts stay as they are\n`);
}

/** Tells a drill that its host is on again. */
export async function hostBack(cluster: string, host: string): Promise<void> {
  await signal(cluster, hostBackSignal, host);
  process.stdout.write(`the drill of ${cluster} knows that ${host} is back\n`);
}

async function signal(cluster: string, definition: typeof abortSignal, text: string): Promise<void> {
  await withTemporal(async (client) => {
    await client.workflow
      .getHandle(clusterWorkflowId(cluster))
      .signal(definition, text)
      .catch((error: unknown) => {
        throw explain(error, cluster);
      });
  });
}
