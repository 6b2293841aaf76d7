import type { RequestedCertificate } from './certificate-request.js';

/**
 * What a machine can check of a node's request before a person is asked (kubernetes.io, "Certificate Signing
 * Requests", signer kubernetes.io/kube-apiserver-client-kubelet).
 */
export interface NodeRequest extends Omit<RequestedCertificate, 'sha256'> {
  readonly signer: string;
  /** Who sent it, as the API server knows. */
  readonly requester: string;
  readonly usages: readonly string[];
}

const SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
const required = ['client auth', 'digital signature'];
/** Mandatory for kubelets before 1.27, optional since. */
const optional = 'key encipherment';
const smallestKey: Readonly<Record<string, number>> = { ec: 256, rsa: 2048 };

/**
 * Every rule that the request breaks; empty for an honest one.
 *
 * @param expected - the node that may ask, and the public half of the token that this node was given
 */
export function requestProblems(
  request: NodeRequest,
  expected: { readonly node: string; readonly tokenId: string },
): string[] {
  const { subject, publicKey } = request;
  const requester = `system:bootstrap:${expected.tokenId}`;
  const sans = [request.dnsSans, request.ipSans, request.emailSans, request.uriSans, request.otherSans].flat();
  const usages = request.usages.filter((usage) => usage !== optional).sort();
  const smallest = smallestKey[publicKey.type];
  return [
    ...unless(request.signer === SIGNER, `signer ${request.signer}, allowed: ${SIGNER}`),
    ...unless(request.requester === requester, `sent by ${request.requester}, allowed: ${requester}`),
    ...unless(
      subject.commonName === `system:node:${expected.node}`,
      `name ${subject.commonName}, allowed: system:node:${expected.node}`,
    ),
    ...unless(
      subject.organizations.join() === 'system:nodes' && subject.otherAttributes.length === 0,
      `groups ${[...subject.organizations, ...subject.otherAttributes].join(', ')}, allowed: system:nodes alone`,
    ),
    ...unless(sans.length === 0, `${sans.length} alternative name(s), allowed: none`),
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

function unless(holds: boolean, problem: string): string[] {
  return holds ? [] : [problem];
}
