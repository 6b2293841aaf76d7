import type { CertificateRequest } from '../cluster/certificate-request.js';

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
  readonly refused: readonly Refusal[];
}

export type DecisionReply = { readonly accepted: true } | { readonly accepted: false; readonly why: string };

export const noApprovals: ApprovalState = { pending: [], decided: [], refused: [] };

/** Asks for a decision; a newer request of the same node takes the older one's place. */
export function ask(state: ApprovalState, request: CertificateRequest): ApprovalState {
  return { ...state, pending: [...state.pending.filter((other) => other.node !== request.node), request] };
}

/** Takes a question back, because nobody answered it in time or the run ends. */
export function withdraw(state: ApprovalState, node: string): ApprovalState {
  return { ...state, pending: state.pending.filter((request) => request.node !== node) };
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
  const refuse = (why: string): { state: ApprovalState; reply: DecisionReply } => ({
    state: {
      ...state,
      refused: [
        ...state.refused,
        { at, node: sent?.node ?? '(unreadable)', approver: sent?.approver ?? '(unreadable)', why },
      ],
    },
    reply: { accepted: false, why },
  });
  if (sent === undefined) {
    return refuse(
      'not a decision; send {"node": ..., "csrSha256": ..., "decision": "approve" or "deny", "approver": ..., "reason": optional}',
    );
  }
  const same = state.decided.find((earlier) => earlier.node === sent.node && earlier.csrSha256 === sent.csrSha256);
  if (same !== undefined) {
    return same.decision === sent.decision
      ? { state, reply: { accepted: true } }
      : refuse(`${same.approver} has already decided to ${same.decision} this request`);
  }
  const request = state.pending.find((candidate) => candidate.node === sent.node);
  if (request === undefined) {
    const waiting = state.pending.map((candidate) => candidate.node).join(', ');
    return refuse(`${sent.node} has no request waiting; waiting: ${waiting || 'none'}`);
  }
  if (request.csrSha256 !== sent.csrSha256) {
    return refuse(`the request of ${sent.node} is ${request.csrSha256}, not ${sent.csrSha256}; look at it again`);
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
  return { node, csrSha256, decision, approver, ...(typeof reason === 'string' ? { reason } : {}) };
}
