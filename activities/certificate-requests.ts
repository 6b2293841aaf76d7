import { createHash } from 'node:crypto';
import {
  CertificatesV1Api,
  type V1CertificateSigningRequest,
  type V1CertificateSigningRequestCondition,
} from '@kubernetes/client-node';
import type { Manifest } from '../cluster/addons/manifest.js';
import { bounded } from '../cluster/bounded.js';
import type { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { canonicalJson } from './state-store/canonical-json.js';

/** What somebody, or a rule, decided about a request. */
export interface Decided {
  readonly node: string;
  readonly decision: 'approve' | 'deny';
  readonly approver: string;
  readonly reason?: string | undefined;
}

/** What the API server says of a request beside the request itself, which is as long as its sender wants. */
export interface RequestRow {
  readonly name: string;
  readonly requester: string;
  readonly state: 'pending' | 'denied' | 'other';
}

/** The requests to one signer. */
export async function listRequests(kubernetes: KubernetesApi, signer: string): Promise<RequestRow[]> {
  const rows = await kubernetes.table('certificates.k8s.io', 'v1', 'certificatesigningrequests', {
    fieldSelector: `spec.signerName=${signer}`,
  });
  return rows.map(({ Name = '', Requestor = '', Condition = '' }) => ({
    name: Name,
    requester: Requestor,
    state: Condition === 'Pending' ? 'pending' : Condition.split(',').includes('Denied') ? 'denied' : 'other',
  }));
}

/** A request by the name of its object; undefined when it is gone. */
export async function readRequest(
  kubernetes: KubernetesApi,
  name: string,
): Promise<V1CertificateSigningRequest | undefined> {
  return kubernetes.read(requestObject(name));
}

/** Removes a request, so that its kubelet can ask again, or finds no certificate in it. */
export async function removeRequest(kubernetes: KubernetesApi, name: string): Promise<void> {
  await kubernetes.remove(requestObject(name));
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
export function requestPem({ spec }: V1CertificateSigningRequest): string {
  return Buffer.from(spec.request, 'base64').toString();
}

/** Whether the request has been approved, denied, or has failed. */
export function isDecided({ status }: V1CertificateSigningRequest): boolean {
  return (status?.conditions ?? []).length > 0;
}

/** Idempotent: a request that is decided the same way already is left alone. */
export async function writeDecision(
  kubernetes: KubernetesApi,
  csr: V1CertificateSigningRequest,
  { decision, approver, reason }: Omit<Decided, 'node'>,
): Promise<void> {
  const type = decision === 'approve' ? 'Approved' : 'Denied';
  const conditions = csr.status?.conditions ?? [];
  if (conditions.some((condition) => condition.type === type)) return;
  const condition: V1CertificateSigningRequestCondition = {
    type,
    status: 'True',
    reason: 'HaKubernetesDecision',
    message: `by ${bounded(approver)}${reason === undefined ? '' : `: ${bounded(reason)}`}`,
  };
  await kubernetes.request(`${decision} ${csr.metadata?.name ?? ''}`, (config) =>
    config.makeApiClient(CertificatesV1Api).replaceCertificateSigningRequestApproval({
      name: csr.metadata?.name ?? '',
      // With the uid and the resourceVersion that were read: what was replaced or changed since is not written to.
      body: { ...csr, status: { ...csr.status, conditions: [...conditions, condition] } },
    }),
  );
}
