import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import type { HostInspection } from '../cluster/preflight/refusals.js';
import type { JoinStep, Milestone } from '../cluster/operations/add-node.js';
import { brief, expectant, patient } from './activities.js';
import { applyComponent } from './components.js';
import type { Decision } from './engine/approvals.js';
import type { StepOutcome } from './engine/dag.js';
import { ABORTED, FATAL, reasonOf } from './engine/failures.js';
import type { Continued } from './engine/continuation.js';
import { Run } from './engine/run.js';
import { reachedSignal, type AddNodeInput } from './messages.js';
import { preparationHandlers } from './preparation.js';

export interface AddNodeResult {
  readonly changed: number;
}

type JoinRun = Run<AddNodeInput, JoinStep, Facts>;

/** What a join remembers besides its steps. */
interface Facts {
  readonly inspections: HostInspection[];
  /** What the deployment says that the cluster has; all of it, in time, unless the join is a change by itself. */
  readonly reached: Milestone[];
}

/** Joins one node: a child of deploy-ha for each node, and the same by itself on a running cluster. */
export async function addNode(continued: Continued<AddNodeInput, JoinStep, Facts>): Promise<AddNodeResult> {
  const run = new Run<AddNodeInput, JoinStep, Facts>('add-node', continued, {
    inspections: [],
    reached: [...(continued.reached ?? [])],
  });
  const { input, facts } = run;
  setHandler(reachedSignal, (milestone) => {
    facts.reached.push(milestone);
  });
  try {
    await run.perform(async () => (await brief.planNode(input, input.host)).steps, {
      ...preparationHandlers(input, facts.inspections),
      component: (step) => applyComponent(step, input, run.inTurn),
      'control-plane': (step) => reach(run, step, patient.awaitControlPlane),
      controllers: (step) => reach(run, step, patient.awaitControllers),
      'bootstrap-token': ({ title, host }) =>
        brief.issueBootstrapToken.executeWithOptions({ summary: title }, [input, host]),
      'approve-csr': ({ title }) => approveCertificateRequest(run, title),
      'approve-serving': ({ title }) => approveServingRequest(run, title),
      'node-ready': ({ title, host }) => expectant.awaitNodeReady.executeWithOptions({ summary: title }, [input, host]),
      'revoke-token': ({ title, host }) =>
        brief.revokeBootstrapToken.executeWithOptions({ summary: title }, [input, host]),
    });
  } catch (error) {
    if (isCancellation(error) || isAborted(error)) {
      await CancellationScope.nonCancellable(() => leaveNothingOpen(run, input));
    }
    throw error;
  }
  return { changed: run.changed() };
}

/** Waits for what the deployment brings about, which tells its joins; a join by itself looks. */
async function reach(
  run: JoinRun,
  { kind, title }: { readonly kind: Milestone; readonly title: string },
  look: typeof patient.awaitControlPlane,
): Promise<StepOutcome> {
  if (workflowInfo().parent === undefined) return look.executeWithOptions({ summary: title }, [run.input]);
  await run.person(() => run.facts.reached.includes(kind));
  return { attempts: 1, changed: 0, note: 'the deployment has seen it' };
}

/**
 * The machine checks what a machine can; then a person decides, or the inventory's rule. A denial and a deadline that
 * passes both end the join: the request is denied in the cluster and the token is taken back, so nothing stays open.
 */
async function approveCertificateRequest(run: JoinRun, title: string): Promise<StepOutcome> {
  const { input } = run;
  return resolveCertificateRequest(title, input, {
    request: expectant.awaitCertificateRequest,
    memberNote: 'is a member already',
    ask: (request) => run.decision(request, input.approvalDeadlineSeconds),
    arrival: expectant.awaitCertificate,
  });
}

/**
 * The same gate for what the node shows to API servers. A person who approved the node in this run is not asked twice:
 * the request comes from that very node and has no other names than the cluster file's.
 */
async function approveServingRequest(run: JoinRun, title: string): Promise<StepOutcome> {
  const { input } = run;
  return resolveCertificateRequest(title, input, {
    request: expectant.awaitServingRequest,
    memberNote: 'has its certificate already',
    ask: (request) => {
      const approved = run.approvalOf(input.host);
      return approved === undefined
        ? run.decision(request, input.approvalDeadlineSeconds)
        : Promise.resolve(
            byRule(
              request,
              `asked by the node that ${approved.approver} approved, with names of the spec alone`,
              'ha-kubernetes',
            ),
          );
    },
    arrival: expectant.awaitServingCertificate,
  });
}

interface Gate {
  readonly request: typeof expectant.awaitCertificateRequest;
  /** What the record says of a node that needs no certificate. */
  readonly memberNote: string;
  /** Asks a person, unless one has answered already; undefined: nobody did within the deadline. */
  readonly ask: (request: CertificateRequest) => Promise<Decision | undefined>;
  readonly arrival: typeof expectant.awaitCertificateRequest;
}

/**
 * Decides about a node's request, sees that it is signed as it was approved, and sees the certificate arrive. A kubelet
 * that restarts in between may ask again: that request is decided about too.
 */
async function resolveCertificateRequest(title: string, input: AddNodeInput, gate: Gate): Promise<StepOutcome> {
  const found = (wait: Gate['request']): ReturnType<Gate['request']> =>
    wait.executeWithOptions({ summary: title }, [input, input.host]);
  const first = await found(gate.request);
  if (first.state === 'member') return { attempts: first.attempts, changed: 0, note: gate.memberNote };
  let asked = first;
  for (;;) {
    if (asked.state === 'token-abused') return refuse(input, 'TokenAbused', asked.why);
    const { request, byInventory } = asked;
    const decision = byInventory
      ? byRule(request, 'exact match with the spec (approvals.policy: inventory)')
      : await gate.ask(request);
    const outcome = await conclude(input, request, decision, first.attempts);
    await requireAsApproved(input, request);
    const next = await found(gate.arrival);
    if (next.state === 'member') return outcome;
    asked = next;
  }
}

/** Ends the join, loudly, when the certificate is another than the one that was approved. */
async function requireAsApproved(input: AddNodeInput, request: CertificateRequest): Promise<void> {
  const { host } = input;
  const { differences } = await expectant.checkIssuedCertificate.executeWithOptions(
    { summary: `Hold the certificate of ${host} against what was approved` },
    [input, request],
  );
  if (differences.length === 0) return;
  await brief.keepNodeOut.executeWithOptions({ summary: `Keep ${host} out` }, [input, request]);
  throw fatal(
    'CertificateDiffers',
    `the certificate of ${host} is not what was approved: ${differences.join('; ')}; its request, token, kubelet and node were taken away; a certificate cannot be revoked, so if somebody else may have it, the cluster needs a new authority`,
  );
}

function byRule(request: CertificateRequest, why: string, approver = 'inventory'): Decision {
  const { node, csrSha256 } = request;
  return { node, csrSha256, decision: 'approve', approver, reason: why };
}

async function conclude(
  input: AddNodeInput,
  request: CertificateRequest,
  decision: Decision | undefined,
  attempts: number,
): Promise<StepOutcome> {
  if (decision?.decision === 'approve') {
    await brief.decideCertificateRequest.executeWithOptions({ summary: `Approve the request of ${input.host}` }, [
      input,
      request,
      decision,
    ]);
    return { attempts, changed: 1, note: `approved by ${decision.approver}` };
  }
  const [type, why]: [string, string] =
    decision === undefined
      ? ['ApprovalExpired', `nobody answered the request of ${input.host} within ${input.approvalDeadlineSeconds} s`]
      : ['CsrDenied', `${decision.approver} denied the request of ${input.host}${reason(decision.reason)}`];
  await brief.decideCertificateRequest.executeWithOptions({ summary: `Deny the request of ${input.host}` }, [
    input,
    request,
    { node: request.node, decision: 'deny', approver: decision?.approver ?? 'deadline', reason: why },
  ]);
  return refuse(input, type, why);
}

/** Ends the join of a node that does not get in, with its token taken back. */
async function refuse(input: AddNodeInput, type: string, why: string): Promise<never> {
  await brief.revokeBootstrapToken.executeWithOptions({ summary: `Take the bootstrap token of ${input.host} back` }, [
    input,
    input.host,
  ]);
  throw fatal(type, why);
}

function fatal(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FATAL, nonRetryable: true, message, details: [type] });
}

function reason(text: string | undefined): string {
  return text === undefined ? '' : `: ${text}`;
}

function isAborted(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === ABORTED;
}

/**
 * A join that somebody ends leaves neither a request that waits nor a token that lets a machine ask. What cannot be
 * taken back now is logged, and loses its power by itself: the token expires.
 */
async function leaveNothingOpen(run: JoinRun, input: AddNodeInput): Promise<void> {
  const { host } = input;
  const request = run.withdraw(host);
  const given = run.steps().some(({ id, state }) => id === `bootstrap-token:${host}` && state !== 'waiting');
  const orLog = (error: unknown): void => log.warn(`${host}: ${reasonOf(error)}`);
  if (request !== undefined) {
    const denial = { node: host, decision: 'deny' as const, approver: 'ha-kubernetes', reason: 'the run was ended' };
    await brief.decideCertificateRequest
      .executeWithOptions({ summary: `Deny the request of ${host}` }, [input, request, denial])
      .catch(orLog);
  }
  if (given) {
    await brief.revokeBootstrapToken
      .executeWithOptions({ summary: `Take the bootstrap token of ${host} back` }, [input, host])
      .catch(orLog);
  }
}
