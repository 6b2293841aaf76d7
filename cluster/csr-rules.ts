import type { RequestedCertificate, RequestPurpose } from './certificate-request.js';

/**
 * What a machine can check of a node's request before a person is asked (kubernetes.io, "Certificate Signing
 * Requests", the signers of kubelets' certificates).
 */
export interface NodeRequest extends RequestedCertificate {
  readonly signer: string;
  /** Who sent it, as the API server knows. */
  readonly requester: string;
  readonly usages: readonly string[];
}

/** Signers of kubelets' certificates, and the usage that each is for beside `digital signature`. */
const purposes: Readonly<Record<RequestPurpose, { signer: string; usage: string }>> = {
  client: { signer: 'kubernetes.io/kube-apiserver-client-kubelet', usage: 'client auth' },
  serving: { signer: 'kubernetes.io/kubelet-serving', usage: 'server auth' },
};
/** Mandatory for kubelets before 1.27, optional since. */
const optional = 'key encipherment';
const smallestKey: Readonly<Record<string, number>> = { ec: 256, rsa: 2048 };

/** Signer of a kubelet's certificate for a purpose. */
export function signerFor(purpose: RequestPurpose): string {
  return purposes[purpose].signer;
}

/** Who may ask for what, by the inventory. */
export interface ExpectedRequest {
  readonly node: string;
  readonly purpose: RequestPurpose;
  /** User that may send it: the token of the node's join, or the node itself. */
  readonly requester: string;
  /** Names and addresses of the node in the inventory, of which a serving certificate may have some and no other. */
  readonly names: { readonly dns: readonly string[]; readonly ip: readonly string[] };
}

/** Every rule that the request breaks; empty for an honest one. */
export function requestProblems(request: NodeRequest, expected: ExpectedRequest): string[] {
  const { subject, publicKey } = request;
  const { signer, usage } = purposes[expected.purpose];
  const required = [usage, 'digital signature'].sort();
  const usages = request.usages.filter((candidate) => candidate !== optional).sort();
  const smallest = smallestKey[publicKey.type];
  return [
    ...unless(request.signer === signer, `signer ${request.signer}, allowed: ${signer}`),
    ...unless(request.requester === expected.requester, `sent by ${request.requester}, allowed: ${expected.requester}`),
    ...unless(
      subject.commonName === `system:node:${expected.node}`,
      `name ${subject.commonName}, allowed: system:node:${expected.node}`,
    ),
    ...unless(
      subject.organizations.join() === 'system:nodes' && subject.otherAttributes.length === 0,
      `groups ${[...subject.organizations, ...subject.otherAttributes].join(', ')}, allowed: system:nodes alone`,
    ),
    ...nameProblems(request, expected),
    ...unless(
      request.otherExtensions.length === 0,
      `extension(s) ${request.otherExtensions.join(', ')}, allowed: none`,
    ),
    ...unless(
      usages.join() === required.join(),
      `usages ${request.usages.join(', ')}, allowed: ${required.join(', ')}`,
    ),
    ...unless(
      smallest !== undefined && publicKey.bits >= smallest,
      `key ${publicKey.type} ${publicKey.bits}, allowed: EC from 256 or RSA from 2048 bits`,
    ),
    ...unless(request.signatureValid, 'its signature does not match its key'),
  ];
}

/** The signer does not look at names: an approver that lets one pass gives away somebody else's traffic. */
function nameProblems(request: NodeRequest, { purpose, names }: ExpectedRequest): string[] {
  const hostNames = [...request.dnsSans, ...request.ipSans];
  const others = [...request.emailSans, ...request.uriSans, ...request.otherSans];
  if (purpose === 'client') {
    const count = hostNames.length + others.length;
    return unless(count === 0, `${count} alternative name(s), allowed: none`);
  }
  // A DNS name with the text of an address is another name than the address.
  const foreign = [
    ...request.dnsSans.filter((name) => !names.dns.includes(name)),
    ...request.ipSans.filter((address) => !names.ip.includes(address)),
  ];
  return [
    ...unless(hostNames.length > 0, 'no alternative name, allowed: one at least'),
    ...unless(
      foreign.length === 0,
      `alternative names ${foreign.join(', ')}, allowed: ${[...names.dns, ...names.ip].join(', ')}`,
    ),
    ...unless(others.length === 0, `${others.length} alternative name(s) of other kinds, allowed: none`),
  ];
}

function unless(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem];
}
