import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { KUBELET_KUBECONFIG, KUBELET_PKI, ROTATION_OFF } from '../cluster/components/kubelet.js';
import type { RequestPurpose } from '../cluster/certificate-request.js';
import { kubeletAuthorities } from '../cluster/pki.js';
import { keySha256 } from './certificates/csr.js';
import { readIssued } from './certificates/ensure-pki.js';
import type { ClusterContext } from './cluster-context.js';
import { PERMANENT_EXIT_CODE } from './ssh/errors.js';

/** What the kubelet of a host can show of itself; nothing in it is secret. */
export interface KubeletIdentity {
  /** Its certificates of our authority that are valid now, by what they are for. */
  readonly certificates: Readonly<Partial<Record<RequestPurpose, X509Certificate>>>;
  /** sha256 of every client certificate that it keeps, hexadecimal: the present one, and those before it. */
  readonly clientCertificates: readonly string[];
  /** Fingerprint of the key with which it asks for a client certificate. */
  readonly waitingKey: string | undefined;
}

const certificateFiles: Readonly<Record<RequestPurpose, string>> = {
  client: `${KUBELET_PKI}/kubelet-client-current.pem`,
  serving: `${KUBELET_PKI}/kubelet-server-current.pem`,
};

/**
 * Prints what is public of a kubelet's files, each part after a line with its name. The files hold private keys too:
 * those stay on the host. A kubelet that joins (rotation is off until then) makes its key before it asks, and keeps it
 * in kubelet-client.key.tmp; one whose certificate has ended asks with the key of that one (kubernetes/kubernetes,
 * pkg/kubelet/certificate/bootstrap/bootstrap.go, LoadClientCert).
 */
const script = `
certificates() { for file; do [ ! -s "$file" ] || sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$file"; done; }
echo @configured; [ ! -s ${KUBELET_KUBECONFIG} ] || echo yes
echo @client; certificates ${certificateFiles.client}
echo @serving; certificates ${certificateFiles.serving}
echo @all; certificates ${KUBELET_PKI}/kubelet-client-*.pem
echo @waiting
if [ -s ${KUBELET_PKI}/kubelet-client.key.tmp ]; then
  command -v openssl >/dev/null 2>&1 || {
    echo 'openssl is missing, which tells the public half of a key: install the package openssl' >&2
    exit ${PERMANENT_EXIT_CODE}
  }
  openssl pkey -in ${KUBELET_PKI}/kubelet-client.key.tmp -pubout
fi
echo @end
`;

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads what the kubelet of a host can show of itself. */
export async function kubeletIdentity(
  context: ClusterContext,
  name: string,
  signal: AbortSignal,
): Promise<KubeletIdentity> {
  const { stdout } = await context.host(name).run({
    title: "read the kubelet's certificates",
    command: 'sh -s',
    stdin: script,
    timeoutMs: 20_000,
    signal,
  });
  const part = (of: string): string => stdout.split(`@${of}\n`)[1]?.split(/^@/m)[0] ?? '';
  const first = (of: string): X509Certificate | undefined => certificatesIn(part(of))[0];
  const valid = async (of: RequestPurpose): Promise<KubeletIdentity['certificates']> => {
    const found = first(of);
    const { certificate } = await readIssued(context.store.pki, kubeletAuthorities[of]);
    return found !== undefined && certificate !== undefined && isValid(found, new X509Certificate(certificate), name)
      ? { [of]: found }
      : {};
  };
  // A kubelet without its kubeconfig is no member, whatever an earlier cluster has left.
  const configured = part('configured').trim() !== '';
  const waiting = first('client')?.publicKey ?? publicKeyIn(part('waiting'));
  return {
    certificates: configured ? { ...(await valid('client')), ...(await valid('serving')) } : {},
    clientCertificates: certificatesIn(part('all')).map(certificateSha256),
    waitingKey: waiting === undefined ? undefined : keySha256(waiting),
  };
}

/**
 * Sees that the kubelet renews its client certificate from now on, which it does not while it joins: see the unit's
 * ExecStartPre (cluster/components/kubelet.ts).
 *
 * @returns whether it was restarted for that
 */
export async function ensureRotation(context: ClusterContext, name: string, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await context.host(name).run({
    title: 'let the kubelet renew its certificate',
    command: `pid=$(systemctl show --property=MainPID --value kubelet.service); if tr '\\0' '\\n' <"/proc/$pid/cmdline" | grep -qxe ${ROTATION_OFF}; then systemctl restart kubelet.service && echo restarted; fi`,
    timeoutMs: 60_000,
    signal,
  });
  return stdout.includes('restarted');
}

/** sha256 of a certificate, hexadecimal. */
function certificateSha256({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

function certificatesIn(text: string): X509Certificate[] {
  return (text.match(certificateBlock) ?? []).map((pem) => new X509Certificate(pem));
}

function publicKeyIn(text: string): KeyObject | undefined {
  return text.includes('BEGIN PUBLIC KEY') ? createPublicKey(text) : undefined;
}

function isValid(certificate: X509Certificate, authority: X509Certificate, name: string): boolean {
  return (
    certificate.verify(authority.publicKey) &&
    certificate.subject.split('\n').includes(`CN=system:node:${name}`) &&
    Date.parse(certificate.validTo) > Date.now()
  );
}
