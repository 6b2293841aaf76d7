import { literal } from '../../cluster/shown.js';
import type { StepRecord } from './dag.js';
import type { RunStatus } from '../messages.js';

/** Markdown for the Temporal UI: what needs a person first, then what runs, then how far it is. */
export function details({ steps, approvals, waitingFor, pausing }: RunStatus): string {
  const of = (state: StepRecord['state']): StepRecord[] => steps.filter((step) => step.state === state);
  const over = of('done').length + of('skipped').length;
  return [
    ...(waitingFor === undefined ? [] : [`**Waiting for you:** ${waitingFor}`, '']),
    ...approvals.pending.flatMap((request) => [
      `**${request.node} asks for a certificate** (${literal(request.subject)}, key ${request.keySha256}, requested by ${literal(request.requester)}). Answer with signal \`approve-csr\`:`,
      '```json',
      JSON.stringify({ node: request.node, csrSha256: request.csrSha256, decision: 'approve', approver: 'your name' }),
      '```',
    ]),
    ...of('held').map(
      (step) =>
        `- **held** ${step.title}: ${literal(step.problem ?? '')} (signal \`retry-step\` ${JSON.stringify({ step: step.id, by: 'your name', why: '...' })})`,
    ),
    ...of('running').map((step) => `- running: ${step.title}`),
    ...(pausing === undefined ? [] : ['', pauseText(pausing)]),
    '',
    `${over} of ${steps.length} steps are done.`,
  ].join('\n');
}

/** Why nothing starts, for people. */
function pauseText(until: readonly string[]): string {
  return `The history is long: no step starts until these are over, then the run continues as new: ${until.join('; ') || 'none'}.`;
}
