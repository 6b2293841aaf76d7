import type { V1CertificateSigningRequest } from '@kubernetes/client-node';
import type { CertificateRequest, RequestPurpose } from '../cluster/certificate-request.js';
import { requestProblems, signerFor, type ExpectedRequest } from '../cluster/csr-rules.js';
import { fullName, hostByName } from '../cluster/topology.js';
import { bounded } from '../cluster/bounded.js';
import { PreconditionError } from './activity.js';
import { bootstrapTokenId } from './bootstrap-token.js';
import {
  isDecided,
  listRequests,
  readRequest,
  removeRequest,
  requestPem,
  requestSha256,
  writeDecision,
} from './certificate-requests.js';
import { CertificateRequestError, parseCertificateRequest } from './certificates/csr.js';
import type { ClusterContext } from './cluster-context.js';
import { kubeletIdentity, type KubeletIdentity } from './kubelet-identity.js';

/** A kubelet's request has less than 1 kB; what is longer is not read. */
const MAX_REQUEST_BYTES = 16 * 1024;

/**
 * Undecided requests of one sender that are looked at. A kubelet that joins has one; one that nobody answers leaves a
 * hundred a day.
 */
const maxRequests: Readonly<Record<RequestPurpose, number>> = { client: 20, serving: 200 };

/** What was found at the gate for a node and a purpose. */
export type AtTheGate =
  | { readonly state: 'none' }
  | { readonly state: 'asks'; readonly request: CertificateRequest }
  /** Somebody else uses the node's token: all that asked with it are denied. */
  | { readonly state: 'token-abused'; readonly why: string };

/** What a node may ask for, by the inventory. */
export function expectedRequest({ spec }: ClusterContext, node: string, purpose: RequestPurpose): ExpectedRequest {
  const host = hostByName(spec, node);
  if (!host.roles.includes('node')) {
    throw new PreconditionError(`${node} has no certificate to ask for: it does not have the role node in the spec`);
  }
  return {
    node,
    purpose,
    requester: purpose === 'client' ? `system:bootstrap:${bootstrapTokenId(spec, node)}` : `system:node:${node}`,
    names: { dns: [host.name, fullName(spec, host)], ip: [host.address] },
  };
}

/** A request, read, with every rule that it breaks; without the request where it cannot be read. */
interface Judged {
  readonly csr: V1CertificateSigningRequest;
  readonly request?: CertificateRequest;
  readonly problems: readonly string[];
}

/** Reads a request, and holds it against the inventory and against the host that it is for. */
export function judge(csr: V1CertificateSigningRequest, expected: ExpectedRequest, identity: KubeletIdentity): Judged {
  const { node, purpose } = expected;
  if (csr.spec.request.length > MAX_REQUEST_BYTES) {
    return { csr, problems: [`it has ${csr.spec.request.length} bytes, allowed: ${MAX_REQUEST_BYTES}`] };
  }
  let parsed: ReturnType<typeof parseCertificateRequest>;
  try {
    parsed = parseCertificateRequest(requestPem(csr));
  } catch (error) {
    if (!(error instanceof CertificateRequestError)) throw error;
    return { csr, problems: [error.message] };
  }
  const { signerName: signer, username: requester = '', usages = [] } = csr.spec;
  const request: CertificateRequest = {
    node,
    purpose,
    name: csr.metadata?.name ?? '',
    uid: csr.metadata?.uid ?? '',
    csrSha256: requestSha256(csr),
    requester,
    signer,
    subject: `CN=${parsed.subject.commonName}, O=${parsed.subject.organizations.join(', O=')}`,
    usages,
    names: [...parsed.dnsSans, ...parsed.ipSans],
    key: `${parsed.publicKey.type.toUpperCase()} ${parsed.publicKey.bits}`,
    keySha256: parsed.publicKey.sha256,
  };
  const problems = [
    ...requestProblems({ ...parsed, signer, requester, usages }, expected),
    ...hostProblems(csr, request, identity),
  ];
  return { csr, request, problems };
}

/** A request is for one host: it comes from the very key that waits there, or with a certificate that is there. */
function hostProblems(
  { spec }: V1CertificateSigningRequest,
  { node, purpose, keySha256 }: CertificateRequest,
  { waitingKey, certificates, clientCertificates }: KubeletIdentity,
): string[] {
  if (purpose === 'client') {
    return keySha256 === waitingKey
      ? []
      : [`its key is ${keySha256}, on ${node} waits ${waitingKey ?? 'none'}: it was not sent by ${node}`];
  }
  if (certificates.client === undefined) return [`${node} has no client certificate with which it could be sent`];
  // Newer API servers tell with which certificate a request was sent (kubernetes/apiserver, authentication/request/x509);
  // from others there is the user's name alone.
  const credentials = spec.extra?.['authentication.kubernetes.io/credential-id'] ?? [];
  const foreign = credentials.filter((id) => !clientCertificates.includes(id.replace(/^X509SHA256=/, '')));
  return foreign.length === 0 ? [] : [`sent with ${foreign.join(', ')}, a certificate that is not on ${node}`];
}

/**
 * The request of this node and purpose that keeps every rule. Requests are chosen by what the API server vouches for:
 * their signer, and who sent them. So nothing that anybody else sends is read; what this sender sent, and cannot be read
 * or breaks a rule, is denied.
 */
export async function atTheGate(
  context: ClusterContext,
  node: string,
  purpose: RequestPurpose,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (name: string, why: string) => void },
): Promise<AtTheGate> {
  const expected = expectedRequest(context, node, purpose);
  const own = (await listRequests(context.kubernetes, signerFor(purpose))).filter(
    ({ requester }) => requester === expected.requester,
  );
  const named = (state: 'pending' | 'denied'): string[] =>
    own.filter((row) => row.state === state).map(({ name }) => name);
  const [pending, denied] = [named('pending'), named('denied')];
  if (pending.length === 0 && denied.length === 0) return { state: 'none' };
  // After the list: a kubelet has its key on disk before it asks, so what is not its key now was not when it asked.
  const identity = await kubeletIdentity(context, node, signal);
  const judged = (await readAll(context, pending.slice(0, maxRequests[purpose])))
    .filter((csr) => !isDecided(csr))
    .map((csr) => judge(csr, expected, identity));
  const deny = async ({ csr }: Judged, why: string): Promise<void> => {
    tell(csr.metadata?.name ?? '', why);
    await writeDecision(context.kubernetes, csr, { decision: 'deny', approver: 'inventory', reason: why });
  };
  const abuse = purpose === 'client' ? abuseOf(judged, pending.length, identity) : undefined;
  if (abuse !== undefined) {
    for (const one of judged) await deny(one, abuse);
    return { state: 'token-abused', why: bounded(`the bootstrap token of ${node} is abused: ${abuse}`) };
  }
  const [newest, ...others] = judged
    .filter(({ problems }) => problems.length === 0)
    .sort((a, b) => createdAt(b.csr) - createdAt(a.csr));
  for (const one of judged) if (one.problems.length > 0) await deny(one, one.problems.join('; '));
  for (const one of others) await deny(one, 'a newer request of the same kubelet takes its place');
  if (newest?.request !== undefined) return { state: 'asks', request: newest.request };
  if (purpose === 'client') await letAskAgain(context, expected, identity, denied, signal);
  return { state: 'none' };
}

/** A token is for one kubelet, which has one key: another key is somebody else. */
function abuseOf(judged: readonly Judged[], count: number, { waitingKey }: KubeletIdentity): string | undefined {
  const keys = new Set(judged.flatMap(({ request }) => (request === undefined ? [] : [request.keySha256])));
  if (count > maxRequests.client) return `${count} requests wait that were sent with it`;
  if (keys.size > 1) return `it was used for ${keys.size} keys: ${[...keys].join(', ')}`;
  const [key] = keys;
  return key === undefined || key === waitingKey
    ? undefined
    : `it was used for the key ${key}, and on the host waits ${waitingKey ?? 'none'}`;
}

async function readAll(
  { kubernetes }: ClusterContext,
  names: readonly string[],
): Promise<V1CertificateSigningRequest[]> {
  const found: V1CertificateSigningRequest[] = [];
  // One after the other: each may be as large as the API server takes.
  for (const name of names) {
    const csr = await readRequest(kubernetes, name);
    if (csr !== undefined) found.push(csr);
  }
  return found;
}

/** An earlier run's denial: the kubelet finds its own request under the name that its key gives it, and gives up again. */
async function letAskAgain(
  context: ClusterContext,
  expected: ExpectedRequest,
  identity: KubeletIdentity,
  denied: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const csr of await readAll(context, denied.slice(0, maxRequests.client))) {
    if (judge(csr, expected, identity).problems.length > 0) continue;
    await removeRequest(context.kubernetes, csr.metadata?.name ?? '');
    await context.host(expected.node).run({
      title: 'restart the kubelet',
      command: 'systemctl restart kubelet',
      timeoutMs: 60_000,
      signal,
    });
  }
}

function createdAt({ metadata }: V1CertificateSigningRequest): number {
  return new Date(metadata?.creationTimestamp ?? 0).getTime();
}
