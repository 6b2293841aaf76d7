import { createPrivateKey, X509Certificate } from 'node:crypto';
import { issueAuthority, issueLeaf } from '../certificates/issue.js';

/** What a webhook is known by, PEM. The key is good for a day and for one name inside the cluster. */
export interface WebhookIdentity {
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** Makes an identity for one run of the checks; nothing of it is kept. */
export async function webhookIdentity(dnsName: string): Promise<WebhookIdentity> {
  const now = new Date();
  const validityDays = 1;
  const authority = await issueAuthority({ commonName: 'ha-kubernetes-check', validityDays }, now);
  const { certificate = '', privateKey } = await issueLeaf(
    { commonName: dnsName, organizations: [], usages: ['server'], sans: { dns: [dnsName], ip: [] }, validityDays },
    { x509: new X509Certificate(authority.certificate ?? ''), privateKey: createPrivateKey(authority.privateKey) },
    now,
  );
  return { authority: authority.certificate ?? '', certificate, privateKey };
}
