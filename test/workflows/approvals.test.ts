import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CertificateRequest } from '../../cluster/certificate-request.js';
import {
  ask,
  decide,
  decisionOf,
  noApprovals,
  withdraw,
  type ApprovalState,
  type Decision,
} from '../../workflows/engine/approvals.js';
import { requestOf } from './mock-activities.js';

const at = '2026-01-01T00:00:00.000Z';
const request = requestOf('node01');
const approval: Decision = { node: 'node01', csrSha256: request.csrSha256, decision: 'approve', approver: 'ada' };
const asked = ask(noApprovals, request);
const approved = decide(asked, approval, at).state;

test('a matching decision is accepted, recorded with its time, and answers the question', () => {
  const { state, reply } = decide(asked, { ...approval, reason: 'I know it' }, at);
  assert.deepEqual(reply, { accepted: true });
  assert.deepEqual(state, {
    pending: [],
    decided: [{ ...approval, reason: 'I know it', at }],
    refused: [],
    refusedCount: 0,
  });
  assert.equal(decisionOf(state, request)?.decision, 'approve');
});

test('the same decision once more is accepted and changes nothing', () => {
  assert.deepEqual(decide(approved, { ...approval, approver: 'bob' }, at), {
    state: approved,
    reply: { accepted: true },
  });
});

const refused: [string, ApprovalState, unknown, RegExp][] = [
  [
    'the sha256 of another request',
    asked,
    { ...approval, csrSha256: 'f'.repeat(64) },
    /the request of node01 is a+1, not f{64}; look at it again/,
  ],
  [
    'a node that asks for nothing',
    asked,
    { ...approval, node: 'node02' },
    /node02 has no request waiting; waiting: node01/,
  ],
  ['a decision before there is a request', noApprovals, approval, /node01 has no request waiting; waiting: none/],
  ['a decision after the deadline', withdraw(asked, 'node01'), approval, /node01 has no request waiting/],
  [
    'a change of mind',
    approved,
    { ...approval, decision: 'deny', approver: 'bob' },
    /ada has already decided to approve this request/,
  ],
  ['nothing at all', asked, undefined, /not a decision; send/],
  ['a text', asked, 'approve node01', /not a decision/],
  ['a list', asked, [approval], /not a decision/],
  ['neither approve nor deny', asked, { ...approval, decision: 'yes' }, /not a decision/],
  ['no approver', asked, { ...approval, approver: ' ' }, /not a decision/],
  ['no sha256', asked, { ...approval, csrSha256: undefined }, /not a decision/],
];

for (const [title, before, message, why] of refused) {
  test(`${title} is refused and recorded, and decides nothing`, () => {
    const { state, reply } = decide(before, message, at);
    assert.ok(!reply.accepted);
    assert.match(reply.why, why);
    assert.deepEqual([state.pending, state.decided], [before.pending, before.decided]);
    assert.equal(state.refusedCount, before.refusedCount + 1);
    assert.deepEqual([state.refused.at(-1)?.at, state.refused.at(-1)?.why], [at, reply.why]);
  });
}

test('a newer request of a node takes the place of the older one, whose approval then counts for nothing', () => {
  const again = ask(asked, requestOf('node01', 2));
  assert.deepEqual(
    again.pending.map(({ name }) => name),
    ['node-csr-node01-2'],
  );
  assert.equal(decide(again, approval, at).reply.accepted, false);
});

/** What people and machines may do to a run, in any order. */
type Event =
  | { readonly kind: 'ask'; readonly request: CertificateRequest }
  | { readonly kind: 'withdraw'; readonly node: string }
  | { readonly kind: 'message'; readonly message: unknown };

const node = fc.constantFrom('node01', 'node02');
const attempt = fc.integer({ min: 1, max: 2 });
const anyRequest = fc.tuple(node, attempt).map(([name, number]) => requestOf(name, number));
const anyMessage = fc.oneof(
  fc.jsonValue(),
  fc.record({
    node: fc.oneof(node, fc.jsonValue()),
    csrSha256: fc.oneof(
      attempt.map((number) => requestOf('', number).csrSha256),
      fc.jsonValue(),
    ),
    decision: fc.oneof(fc.constantFrom('approve', 'deny'), fc.jsonValue()),
    approver: fc.oneof(fc.constantFrom('ada', 'bob'), fc.jsonValue()),
    reason: fc.jsonValue(),
  }),
  fc.record({
    node,
    csrSha256: attempt.map((number) => requestOf('', number).csrSha256),
    decision: fc.constantFrom('approve', 'deny'),
    approver: fc.constantFrom('ada', 'bob'),
  }),
);
const anyEvents: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    anyRequest.map((asks): Event => ({ kind: 'ask', request: asks })),
    node.map((name): Event => ({ kind: 'withdraw', node: name })),
    anyMessage.map((message): Event => ({ kind: 'message', message })),
  ),
  { maxLength: 30 },
);

function after(state: ApprovalState, event: Event): ApprovalState {
  if (event.kind === 'ask') return ask(state, event.request);
  return event.kind === 'withdraw' ? withdraw(state, event.node) : decide(state, event.message, at).state;
}

test('whatever is sent, a decision that was made never changes, and nothing is approved that was not asked', () => {
  fc.assert(
    fc.property(anyEvents, (events) => {
      let state = noApprovals;
      const everAsked = new Set<string>();
      for (const event of events) {
        const next = after(state, event);
        if (event.kind === 'ask') everAsked.add(`${event.request.node} ${event.request.csrSha256}`);
        assert.deepEqual(next.decided.slice(0, state.decided.length), state.decided);
        assert.ok(next.refusedCount >= state.refusedCount);
        for (const made of next.decided) assert.ok(everAsked.has(`${made.node} ${made.csrSha256}`));
        const keys = next.decided.map((made) => `${made.node} ${made.csrSha256}`);
        assert.equal(new Set(keys).size, keys.length);
        state = next;
      }
    }),
    { numRuns: 500 },
  );
});

test('an accepted message is a decision about a request, and a refused one says why', () => {
  fc.assert(
    fc.property(anyEvents, anyMessage, (events, message) => {
      const before = events.reduce(after, noApprovals);
      const { state, reply } = decide(before, message, at);
      if (reply.accepted) {
        const { csrSha256, node: of } = message as Decision;
        assert.ok(state.decided.some((made) => made.node === of && made.csrSha256 === csrSha256));
      } else {
        assert.notEqual(reply.why, '');
        assert.deepEqual(state.decided, before.decided);
      }
    }),
    { numRuns: 500 },
  );
});
