import { createHash, X509Certificate } from 'node:crypto';
import {
  CertificatesV1Api,
  type V1CertificateSigningRequest,
  type V1CertificateSigningRequestCondition,
} from '@kubernetes/client-node';
import type { Manifest } from '../cluster/addons/manifest.js';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import {
  KUBELET_CLIENT_CERTIFICATE,
  KUBELET_KUBECONFIG,
  KUBELET_SERVING_CERTIFICATE,
} from '../cluster/components/kubelet.js';
import {
  requestProblems,
  signerFor,
  type ExpectedRequest,
  type NodeRequest,
  type RequestPurpose,
} from '../cluster/csr-rules.js';
import { fullName, hostByName } from '../cluster/topology.js';
import { parseCertificateRequest } from './certificates/csr.js';
import { readIssued } from './certificates/ensure-pki.js';
import type { ClusterContext } from './cluster-context.js';
import { canonicalJson } from './state-store/canonical-json.js';

/** What somebody, or a rule, decided about a request. */
export interface Decided {
  readonly node: string;
  readonly decision: 'approve' | 'deny';
  readonly approver: string;
  readonly reason?: string;
}

/** What a node may ask for, by the inventory. */
export function expectedRequest(
  { spec }: ClusterContext,
  node: string,
  purpose: RequestPurpose,
  requester: string,
): ExpectedRequest {
  const host = hostByName(spec, node);
  return { node, purpose, requester, names: { dns: [host.name, fullName(spec, host)], ip: [host.address] } };
}

const certificateFiles: Readonly<Record<RequestPurpose, string>> = {
  client: KUBELET_CLIENT_CERTIFICATE,
  serving: KUBELET_SERVING_CERTIFICATE,
};

/** Whether the node's kubelet has a certificate of our authority for this purpose that is still valid. */
export async function hasCertificate(
  context: ClusterContext,
  name: string,
  purpose: RequestPurpose,
  signal: AbortSignal,
): Promise<boolean> {
  const path = certificateFiles[purpose];
  const { stdout } = await context.host(name).run({
    title: "read the kubelet's certificate",
    // The file holds the private key too: only the certificate may leave the host.
    command: `[ ! -s ${KUBELET_KUBECONFIG} ] || [ ! -s ${path} ] || sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' ${path}`,
    timeoutMs: 20_000,
    signal,
  });
  if (stdout.trim() === '') return false;
  const certificate = new X509Certificate(stdout);
  const authority = await readIssued(context.store.pki, 'kubernetes-ca');
  return (
    authority.certificate !== undefined &&
    certificate.verify(new X509Certificate(authority.certificate).publicKey) &&
    certificate.subject.split('\n').includes(`CN=system:node:${name}`) &&
    Date.parse(certificate.validTo) > Date.now()
  );
}

/** The newest request of this node and purpose that keeps every rule; others for its name are denied. */
export async function ownRequest(
  context: ClusterContext,
  expected: ExpectedRequest,
  signal: AbortSignal,
  denied: (why: string) => void,
): Promise<CertificateRequest | undefined> {
  const { node, purpose } = expected;
  const all = await context.kubernetes.list<V1CertificateSigningRequest>(
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
  );
  const created = (csr: V1CertificateSigningRequest): number =>
    new Date(csr.metadata?.creationTimestamp ?? 0).getTime();
  let own: CertificateRequest | undefined;
  for (const csr of all.sort((a, b) => created(a) - created(b))) {
    // Each purpose has a gate of its own; what names a node and is for neither is denied at the first.
    if ((csr.spec.signerName === signerFor('serving')) !== (purpose === 'serving')) continue;
    const parsed = parseCertificateRequest(requestPem(csr));
    if (parsed.subject.commonName !== `system:node:${node}`) continue;
    const request: NodeRequest = {
      ...parsed,
      signer: csr.spec.signerName,
      requester: csr.spec.username ?? '',
      usages: csr.spec.usages ?? [],
    };
    const conditions = csr.status?.conditions ?? [];
    const problems = requestProblems(request, expected);
    if (conditions.some(({ type }) => type === 'Denied')) {
      // An earlier run's denial: the kubelet finds its own request under this name and would give up again.
      if (problems.length === 0 && purpose === 'client') await letAskAgain(context, node, csr, signal);
      continue;
    }
    if (conditions.length > 0) continue;
    if (problems.length > 0) {
      denied(problems.join('; '));
      await writeDecision(context.kubernetes, csr, {
        node,
        decision: 'deny',
        approver: 'inventory',
        reason: problems.join('; '),
      });
      continue;
    }
    own = {
      node,
      name: csr.metadata?.name ?? '',
      csrSha256: requestSha256(csr),
      requester: request.requester,
      signer: request.signer,
      subject: `CN=${parsed.subject.commonName}, O=${parsed.subject.organizations.join(', O=')}`,
      usages: request.usages,
      names: [...request.dnsSans, ...request.ipSans],
      key: `${parsed.publicKey.type.toUpperCase()} ${parsed.publicKey.bits}`,
    };
  }
  return own;
}

async function letAskAgain(
  context: ClusterContext,
  name: string,
  csr: V1CertificateSigningRequest,
  signal: AbortSignal,
): Promise<void> {
  await context.kubernetes.remove(requestObject(csr.metadata?.name ?? ''));
  await context
    .host(name)
    .run({ title: 'restart the kubelet', command: 'systemctl restart kubelet', timeoutMs: 60_000, signal });
}

/** A request by the name of its object; undefined when it is gone. */
export async function readRequest(
  kubernetes: ClusterContext['kubernetes'],
  name: string,
): Promise<V1CertificateSigningRequest | undefined> {
  return kubernetes.read(requestObject(name));
}

function requestObject(name: string): Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'> {
  return { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name } };
}

/**
 * Digest of everything that a decision is about: the object by its name and uid, and its whole spec, which the API server
 * keeps as it was sent and with who sent it.
 */
export function requestSha256({ metadata, spec }: V1CertificateSigningRequest): string {
  return createHash('sha256')
    .update(canonicalJson({ name: metadata?.name, uid: metadata?.uid, spec }))
    .digest('hex');
}

/** The request itself, PEM. */
export function requestPem(csr: V1CertificateSigningRequest): string {
  return Buffer.from(csr.spec.request, 'base64').toString();
}

/** Idempotent: a request that is decided the same way already is left alone. */
export async function writeDecision(
  kubernetes: ClusterContext['kubernetes'],
  csr: V1CertificateSigningRequest,
  { decision, approver, reason }: Decided,
): Promise<void> {
  const type = decision === 'approve' ? 'Approved' : 'Denied';
  const conditions = csr.status?.conditions ?? [];
  if (conditions.some((condition) => condition.type === type)) return;
  const condition: V1CertificateSigningRequestCondition = {
    type,
    status: 'True',
    reason: 'HaKubernetesDecision',
    message: `by ${approver}${reason === undefined ? '' : `: ${reason}`}`,
  };
  await kubernetes.request(`${decision} ${csr.metadata?.name ?? ''}`, (config) =>
    config.makeApiClient(CertificatesV1Api).replaceCertificateSigningRequestApproval({
      name: csr.metadata?.name ?? '',
      body: { ...csr, status: { ...csr.status, conditions: [...conditions, condition] } },
    }),
  );
}
