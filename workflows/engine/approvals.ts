import { bounded } from '../../cluster/bounded.js';
import type { CertificateRequest } from '../../cluster/certificate-request.js';
import { problemOfName } from './steering.js';

/**
 * The rules of approval, as a pure reducer behind the `approve-csr` signal, the `decide-csr` update and the `status`
 * query. A decision is bound to the sha256 of one request; what does not match is recorded and refused, never thrown.
 */

export interface Decision {
  readonly node: string;
  readonly csrSha256: string;
  readonly decision: 'approve' | 'deny';
  readonly approver: string;
  readonly reason?: string;
}

export interface RecordedDecision extends Decision {
  /** ISO 8601. */
  readonly at: string;
}

export interface Refusal {
  readonly at: string;
  /** What was sent, as far as it could be read. */
  readonly node: string;
  readonly approver: string;
  readonly why: string;
}

export interface ApprovalState {
  readonly pending: readonly CertificateRequest[];
  readonly decided: readonly RecordedDecision[];
  /** The newest of what was refused, {@link KEPT} at most: whoever can send may send without end. */
  readonly refused: readonly Refusal[];
  /** How much was refused in all. */
  readonly refusedCount: number;
}

export type DecisionReply = { readonly accepted: true } | { readonly accepted: false; readonly why: string };

export const noApprovals: ApprovalState = { pending: [], decided: [], refused: [], refusedCount: 0 };

/** How much is kept of what anybody may send as often as he likes. */
export const KEPT = 20;

/** Asks for a decision; a newer request of the same node takes the older one's place. */
export function ask(state: ApprovalState, request: CertificateRequest): ApprovalState {
  return { ...state, pending: [...state.pending.filter((other) => other.node !== request.node), request] };
}

/** Takes a question back, because nobody answered it in time or the run ends. */
export function withdraw(state: ApprovalState, node: string): ApprovalState {
  return { ...state, pending: state.pending.filter((request) => request.node !== node) };
}

/** Records what was refused, whatever it was about. */
export function refuse(state: ApprovalState, refusal: Refusal): ApprovalState {
  const { at, node, approver, why } = refusal;
  const kept = { at, node: bounded(node, 63), approver: bounded(approver, 100), why: bounded(why) };
  return { ...state, refused: [...state.refused, kept].slice(-KEPT), refusedCount: state.refusedCount + 1 };
}

/**
 * Applies what somebody sent, whatever it is: a signal can carry anything.
 *
 * @param at - time of the message, ISO 8601
 */
export function decide(
  state: ApprovalState,
  message: unknown,
  at: string,
): { readonly state: ApprovalState; readonly reply: DecisionReply } {
  const sent = readDecision(message);
  const refused = (reason: string): { state: ApprovalState; reply: DecisionReply } => {
    const why = bounded(reason);
    const { node, approver } = sent ?? { node: '(unreadable)', approver: '(unreadable)' };
    return { state: refuse(state, { at, node, approver, why }), reply: { accepted: false, why } };
  };
  if (sent === undefined) {
    return refused(
      'not a decision; send {"node": ..., "csrSha256": ..., "decision": "approve" or "deny", "approver": ..., "reason": optional}',
    );
  }
  const problem = problemOfName(sent.approver);
  if (problem !== undefined) return refused(problem);
  const same = state.decided.find((earlier) => earlier.node === sent.node && earlier.csrSha256 === sent.csrSha256);
  if (same !== undefined) {
    return same.decision === sent.decision
      ? { state, reply: { accepted: true } }
      : refused(`${same.approver} has already decided to ${same.decision} this request`);
  }
  const request = state.pending.find((candidate) => candidate.node === sent.node);
  if (request === undefined) {
    const waiting = state.pending.map((candidate) => candidate.node).join(', ');
    return refused(`${bounded(sent.node, 63)} has no request waiting; waiting: ${waiting || 'none'}`);
  }
  if (request.csrSha256 !== sent.csrSha256) {
    return refused(
      `the request of ${sent.node} is ${request.csrSha256}, not ${bounded(sent.csrSha256, 64)}; look at it again`,
    );
  }
  return {
    state: {
      ...state,
      pending: state.pending.filter((candidate) => candidate !== request),
      decided: [...state.decided, { ...sent, at }],
    },
    reply: { accepted: true },
  };
}

/** The decision about one request, once there is one. */
export function decisionOf(state: ApprovalState, request: CertificateRequest): RecordedDecision | undefined {
  return state.decided.find((d) => d.node === request.node && d.csrSha256 === request.csrSha256);
}

function readDecision(message: unknown): Decision | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { node, csrSha256, decision, approver, reason } = message as Record<string, unknown>;
  if (typeof node !== 'string' || typeof csrSha256 !== 'string' || typeof approver !== 'string') return undefined;
  if (approver.trim() === '' || (decision !== 'approve' && decision !== 'deny')) return undefined;
  return { node, csrSha256, decision, approver, ...(typeof reason === 'string' ? { reason: bounded(reason) } : {}) };
}
