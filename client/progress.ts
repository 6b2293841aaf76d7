import { setTimeout as delay } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import type { StepRecord } from '../workflows/dag.js';
import type { WholeStatus } from './run-status.js';

const POLL_MS = 500;

/** Shows a run as it goes; one `show` a poll, one `end`. */
interface View {
  show(status: WholeStatus): void;
  end(): void;
}

/**
 * Shows a run until it ends: a live view on a terminal, a line for each event elsewhere.
 *
 * @param look - asks for the status; a passing failure is shown, and asked again
 */
export async function watch(look: () => Promise<WholeStatus>, ended: () => boolean): Promise<void> {
  const view = process.stderr.isTTY ? liveView() : plainView();
  try {
    for (;;) {
      const over = ended();
      const status = await look().catch(() => undefined);
      if (status !== undefined) view.show(status);
      if (over || (status !== undefined && status.state !== 'RUNNING')) return;
      await delay(POLL_MS);
    }
  } finally {
    view.end();
  }
}

function plainView(): View {
  const told = new Set<string>();
  const started = Date.now();
  const tell = (key: string, text: string): void => {
    if (told.has(key)) return;
    told.add(key);
    const at = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
    process.stderr.write(`${at} s  ${text}\n`);
  };
  return {
    show: ({ steps, approvals, waitingFor, pausing, cluster }) => {
      for (const step of steps) {
        if (step.start !== undefined) tell(`${step.id} start`, `start  ${step.title}`);
        if (step.state === 'done') tell(`${step.id} done`, `done   ${step.title}${took(step)}${noted(step)}`);
        if (step.state === 'skipped') tell(`${step.id} skipped`, `skip   ${step.title}`);
        if (step.state === 'held') tell(`${step.id} ${step.attempts} held`, heldText(step, cluster));
      }
      for (const request of approvals.pending) {
        tell(`${request.node} ${request.csrSha256}`, askText(request.node, cluster));
      }
      for (const refusal of approvals.refused) {
        tell(
          `${refusal.at} ${refusal.node}`,
          `refused a decision about ${refusal.node} by ${refusal.approver}: ${refusal.why}`,
        );
      }
      if (waitingFor !== undefined) tell(waitingFor, `WAITING FOR YOU: ${waitingFor}`);
      if (pausing !== undefined && pausing.length > 0) tell(pauseText(pausing), pauseText(pausing));
    },
    end: () => undefined,
  };
}

function liveView(): View {
  const update = createLogUpdate(process.stderr);
  const marks: Record<StepRecord['state'], string> = { done: '✔', running: '▶', held: '✖', skipped: '○', waiting: '·' };
  return {
    show: ({ steps, approvals, waitingFor, pausing, cluster }) => {
      const rows = process.stderr.rows - 6;
      const of = (...states: StepRecord['state'][]): StepRecord[] =>
        steps.filter(({ state }) => states.includes(state));
      const over = of('done', 'skipped');
      const active = of('held', 'running');
      const shown = [...over.slice(-Math.max(3, rows - active.length)), ...active];
      update(
        [
          ...shown.map((step) => `${marks[step.state]} ${step.title}${step.state === 'done' ? took(step) : ''}`),
          ...of('held').map((step) => heldText(step, cluster)),
          ...approvals.pending.map(({ node }) => askText(node, cluster)),
          ...(waitingFor === undefined ? [] : [`WAITING FOR YOU: ${waitingFor}`]),
          ...(pausing === undefined ? [] : [pauseText(pausing)]),
          `${over.length} of ${steps.length} steps`,
        ].join('\n'),
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

function heldText(step: StepRecord, cluster: string): string {
  return [
    `HELD   ${step.title}: ${step.problem ?? ''}`,
    `         mend it, then: start-workflow retry-step ${step.id} --cluster ${cluster}`,
    `         or go on without it: start-workflow skip-step ${step.id} --cluster ${cluster}; or end the run: start-workflow abort --cluster ${cluster} --reason ...`,
  ].join('\n');
}

function askText(node: string, cluster: string): string {
  return `WAITING FOR YOU: ${node} asks for its certificate: approve-csr show ${node} --cluster ${cluster}, then approve-csr approve ${node} --cluster ${cluster}`;
}

function pauseText(until: readonly string[]): string {
  return `the history is long: no step starts until these are over, then the run continues as new: ${until.join('; ')}`;
}
