import { setTimeout as delay } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import { shown } from '../cluster/shown.js';
import type { StepRecord } from '../workflows/engine/dag.js';
import type { Intervention } from '../workflows/engine/steering.js';
import { tell } from './output.js';
import { NoWorkerError, type Retry, type WholeStatus } from './run-status.js';

const POLL_MS = 500;

/** Shows a run as it goes; one `show` a poll, one `end`. */
interface View {
  show(status: WholeStatus): void;
  end(): void;
}

/** Longest time without an answer after which a client gives up: long enough for a server that is restarted. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Shows a run until it ends: a live view on a terminal, a line for each event elsewhere. Silence is told once, and asked
 * again.
 *
 * @param look - asks for the status
 * @returns the last status that was seen, if any
 * @throws Error with how to attach again, when no server has answered for `patienceMs`
 */
export async function watch(
  look: () => Promise<WholeStatus>,
  cluster: string,
  patienceMs = PATIENCE_MS,
): Promise<WholeStatus | undefined> {
  const view = process.stderr.isTTY ? liveView() : plainView();
  const again = `start-workflow status --cluster ${cluster} --watch`;
  let answered = Date.now();
  let last: WholeStatus | undefined;
  let silent: 'server' | 'worker' | undefined;
  const fellSilent = (who: 'server' | 'worker', text: string): void => {
    if (silent !== who) tell(text);
    silent = who;
  };
  try {
    for (;;) {
      try {
        const status = await look();
        last = status;
        view.show(status);
        if (silent !== undefined) tell('Temporal and its worker answer again');
        silent = undefined;
        answered = Date.now();
        if (status.state !== 'RUNNING' && status.unread === 0) return last;
      } catch (error) {
        if (error instanceof NoWorkerError) {
          answered = Date.now();
          if (error.state !== 'RUNNING') return last;
          fellSilent('worker', `${error.message}; the run waits for it`);
        } else if (silent === 'server' && Date.now() - answered > patienceMs) {
          throw new Error(
            `the Temporal server has not answered for ${Math.round(patienceMs / 1000)} s (${reasonOf(error)}); the run goes on by itself once the server is back; attach again: ${again}`,
          );
        } else {
          fellSilent(
            'server',
            'the Temporal server does not answer; the run goes on by itself once it is back; asking again',
          );
        }
      }
      await delay(POLL_MS);
    }
  } finally {
    view.end();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function plainView(): View {
  const told = new Set<string>();
  const started = Date.now();
  const once = (key: string, text: string): void => {
    if (told.has(key)) return;
    told.add(key);
    const at = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
    tell(`${at} s  ${text}`);
  };
  return {
    show: ({ steps, retries, approvals, interventions, waitingFor, pausing, cluster }) => {
      for (const step of steps) {
        if (step.start !== undefined) once(`${step.id} start`, `start  ${step.title}`);
        if (step.state === 'done') once(`${step.id} done`, `done   ${step.title}${took(step)}${noted(step)}`);
        if (step.state === 'skipped') once(`${step.id} skipped`, `skip   ${step.title}`);
        if (step.state === 'held') once(`${step.id} ${step.attempts} held`, heldText(step, cluster));
      }
      for (const retry of retries) once(retry.problem, retryText(retry));
      for (const request of approvals.pending) {
        once(`${request.node} ${request.csrSha256}`, askText(request.node, cluster));
      }
      for (const said of interventions) once(`${said.at} ${said.kind} ${said.about}`, interventionText(said));
      for (const refusal of approvals.refused) {
        once(
          `${refusal.at} ${refusal.node}`,
          `refused what ${refusal.approver} said about ${refusal.node}: ${refusal.why}`,
        );
      }
      if (waitingFor !== undefined) once(waitingFor, `WAITING FOR YOU: ${waitingFor}`);
      if (pausing !== undefined && pausing.length > 0) once(pauseText(pausing), pauseText(pausing));
    },
    end: () => undefined,
  };
}

function liveView(): View {
  const update = createLogUpdate(process.stderr);
  const marks: Record<StepRecord['state'], string> = { done: '✔', running: '▶', held: '✖', skipped: '○', waiting: '·' };
  return {
    show: ({ steps, retries, approvals, waitingFor, pausing, cluster }) => {
      const rows = process.stderr.rows - 6;
      const of = (...states: StepRecord['state'][]): StepRecord[] =>
        steps.filter(({ state }) => states.includes(state));
      const over = of('done', 'skipped');
      const active = of('held', 'running');
      const listed = [...over.slice(-Math.max(3, rows - active.length)), ...active];
      update(
        shown(
          [
            ...listed.map((step) => `${marks[step.state]} ${step.title}${step.state === 'done' ? took(step) : ''}`),
            ...retries.map(retryText),
            ...of('held').map((step) => heldText(step, cluster)),
            ...approvals.pending.map(({ node }) => askText(node, cluster)),
            ...(waitingFor === undefined ? [] : [`WAITING FOR YOU: ${waitingFor}`]),
            ...(pausing === undefined ? [] : [pauseText(pausing)]),
            `${over.length} of ${steps.length} steps`,
          ].join('\n'),
        ),
      );
    },
    end: () => {
      update.done();
    },
  };
}

function took({ start, end }: StepRecord): string {
  if (start === undefined || end === undefined) return '';
  return ` (${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(1)} s)`;
}

function noted({ note }: StepRecord): string {
  return note === undefined || note === '' ? '' : `: ${note}`;
}

/** What was not there yet, or went wrong, and is tried again. */
export function retryText({ attempt, problem, waits }: Retry): string {
  return waits ? `waits  ${problem}` : `again  attempt ${attempt}, as the one before failed: ${problem}`;
}

function heldText(step: StepRecord, cluster: string): string {
  return [
    `HELD   ${step.title}: ${step.problem ?? ''}`,
    `         mend it, then: start-workflow retry-step ${step.id} --cluster ${cluster} --reason ...`,
    `         or go on without it: start-workflow skip-step ${step.id} --cluster ${cluster} --reason ...; or end the run: start-workflow abort --cluster ${cluster} --reason ...`,
  ].join('\n');
}

function askText(node: string, cluster: string): string {
  return `WAITING FOR YOU: ${node} asks for its certificate: approve-csr show ${node} --cluster ${cluster}, then approve-csr approve ${node} SHA256 --cluster ${cluster}`;
}

/** What somebody told a run. */
export function interventionText({ at, kind, about, by, why }: Intervention): string {
  return `${[kind, about].filter((word) => word !== '').join(' ')} by ${by} at ${at}: ${why}`;
}

function pauseText(until: readonly string[]): string {
  return `the history is long: no step starts until these are over, then the run continues as new: ${until.join('; ')}`;
}
