import { createHash, randomInt } from 'node:crypto';
import type { V1Secret } from '@kubernetes/client-node';
import { BOOTSTRAP_GROUP } from '../cluster/addons/bootstrap-rbac.js';
import type { Manifest } from '../cluster/addons/manifest.js';
import type { CertificateRequest } from '../cluster/certificate-request.js';
import { nodeApiUrl } from '../cluster/components/api-endpoint.js';
import { BOOTSTRAP_KUBECONFIG } from '../cluster/components/kubelet.js';
import type { RequestPurpose } from '../cluster/csr-rules.js';
import { nothing } from '../cluster/desired-state.js';
import { seconds } from '../cluster/duration.js';
import { activity, NotYetError, PreconditionError } from './activity.js';
import {
  expectedRequest,
  hasCertificate,
  ownRequest,
  readRequest,
  requestSha256,
  writeDecision,
  type Decided,
} from './certificate-requests.js';
import { readIssued } from './certificates/ensure-pki.js';
import { bootstrapKubeconfigText } from './certificates/kubeconfig.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ClusterContext } from './cluster-context.js';
import { nodeStates, until } from './control-plane.js';
import type { ActivityDependencies } from './dependencies.js';
import { applyHostState } from './host-state/apply-host-state.js';

type FoundRequest =
  /** The node has its certificate, and asks for no other. */
  { state: 'member' } | { state: 'asks'; request: CertificateRequest; byInventory: boolean };

const READY_DEADLINE_MS = 5 * 60_000;

/** How a node becomes a member (seed, "master接入node"). */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function nodeActivities({ contexts, log }: ActivityDependencies) {
  /** Waits for a request of the node that keeps every rule, or for its certificate; `yet` says what is missing. */
  const awaitRequest = (
    purpose: RequestPurpose,
    yet: string,
  ): ((reference: SpecReference, node: string) => Promise<FoundRequest & { attempts: number }>) =>
    activity(log, async ({ signal }, reference, node) => {
      const context = await contexts.get(reference);
      const requester = purpose === 'client' ? `system:bootstrap:${tokenId(context, node)}` : `system:node:${node}`;
      const expected = expectedRequest(context, node, purpose, requester);
      return until<FoundRequest>(
        async () => {
          // What a bootstrapping kubelet left behind is of no interest once it is a member; a member's renewal is.
          if (purpose === 'client' && (await hasCertificate(context, node, purpose, signal)))
            return { state: 'member' };
          const request = await ownRequest(context, expected, signal, (why) => {
            log.warn({ host: node, why }, 'a certificate request was denied by rule');
          });
          if (request !== undefined) {
            return { state: 'asks', request, byInventory: context.spec.approvals.policy === 'inventory' };
          }
          if (purpose === 'serving' && (await hasCertificate(context, node, purpose, signal)))
            return { state: 'member' };
          throw new NotYetError(`${node} ${yet}`);
        },
        { deadlineMs: READY_DEADLINE_MS, intervalMs: 500, signal },
      );
    });

  return {
    /** One token a node, which expires; the secret half goes from the API to the host and nowhere else. */
    issueBootstrapToken: activity(log, async ({ signal, progress }, reference: SpecReference, name: string) => {
      const context = await contexts.get(reference);
      if (await hasCertificate(context, name, 'client', signal)) return { changed: 0, note: 'is a member already' };
      const token = await ensureToken(context, name);
      const { certificate } = await readIssued(context.store.pki, 'kubernetes-ca');
      const text = bootstrapKubeconfigText({
        cluster: context.spec.name,
        user: 'kubelet-bootstrap',
        server: nodeApiUrl(context.spec),
        authority: certificate ?? '',
        token,
      });
      const { changes } = await applyHostState(
        context.host(name),
        {
          ...nothing,
          directories: [{ path: '/etc/kubernetes', owner: 'root:root', mode: 0o755 }],
          files: [{ path: BOOTSTRAP_KUBECONFIG, mode: 0o600, owner: 'root:root', content: { kind: 'text', text } }],
        },
        {
          content: context.resolver,
          packages: { kind: 'distribution' },
          journal: context.journal,
          signal,
          onProgress: progress,
        },
      );
      return { changed: changes.length, note: `token ${tokenId(context, name)} (its public half)` };
    }),

    /**
     * Waits for the node's own request. One that breaks a rule which a machine can check is denied at once: nobody is
     * asked about it.
     */
    awaitCertificateRequest: awaitRequest('client', 'has not asked for a client certificate yet'),

    /**
     * Waits until the node has the certificate that was approved. A kubelet that restarts before it has fetched it knows
     * its key no more, and asks again with another one: then that request is returned.
     */
    awaitCertificate: awaitRequest('client', 'has not fetched its client certificate yet'),

    /** Waits for the member's request for a serving certificate, the first or one that renews it. */
    awaitServingRequest: awaitRequest('serving', 'has not asked for a serving certificate yet'),

    /** The same as {@link awaitCertificate} for the serving certificate; one that is renewed is there already. */
    awaitServingCertificate: awaitRequest('serving', 'has not fetched its serving certificate yet'),

    /** Writes a decision into the cluster; only into the very request that it was made about. */
    decideCertificateRequest: activity(
      log,
      async (_execution, reference: SpecReference, request: CertificateRequest, decided: Decided) => {
        const { kubernetes } = await contexts.get(reference);
        const csr = await readRequest(kubernetes, request.name);
        if (csr === undefined) {
          // Denied requests may be cleaned up before a second attempt; an approved one must be there.
          if (decided.decision === 'deny') return { changed: 0 };
          throw new PreconditionError(`the request ${request.name} of ${request.node} is gone; let the node ask again`);
        }
        if (requestSha256(csr) !== request.csrSha256) {
          throw new PreconditionError(`the request ${request.name} is not the one that was decided about`);
        }
        await writeDecision(kubernetes, csr, decided);
        log.info({ csrSha256: request.csrSha256, ...decided }, 'a certificate request was decided');
        return { changed: 1 };
      },
    ),

    awaitNodeReady: activity(log, async ({ signal, progress }, reference: SpecReference, name: string) => {
      const { kubernetes } = await contexts.get(reference);
      const version = await until(
        async () => {
          const node = (await nodeStates(kubernetes)).find((state) => state.name === name);
          const problem = node === undefined ? 'it has not registered yet' : node.ready ? undefined : node.reason;
          progress(problem ?? 'Ready');
          if (problem !== undefined) throw new NotYetError(`${name} is not Ready: ${problem}`);
          return node?.version ?? '';
        },
        { deadlineMs: READY_DEADLINE_MS, intervalMs: 500, signal },
      );
      return { changed: 0, note: `Ready at ${version}` };
    }),

    /** A token that has served its purpose, or never will, can do nothing any more. */
    revokeBootstrapToken: activity(log, async ({ signal }, reference: SpecReference, name: string) => {
      const context = await contexts.get(reference);
      const secret = tokenSecret(tokenId(context, name));
      const existed = (await context.kubernetes.read(secret)) !== undefined;
      if (existed) await context.kubernetes.remove(secret);
      const { stdout } = await context.host(name).run({
        title: 'remove the bootstrap token',
        command: `if [ -e ${BOOTSTRAP_KUBECONFIG} ]; then rm -f ${BOOTSTRAP_KUBECONFIG} && echo removed; fi`,
        timeoutMs: 20_000,
        signal,
      });
      const changed = Number(existed) + Number(stdout.includes('removed'));
      return { changed, note: changed === 0 ? 'nothing to change' : 'the token is gone' };
    }),
  };
}

/** Public half of a node's token. Derived, so that whose token it is can be told from a request without a list. */
function tokenId({ spec }: ClusterContext, name: string): string {
  const digest = createHash('sha256').update(`${spec.name}/${name}`).digest();
  return [...digest.subarray(0, 6)].map((byte) => (byte % 36).toString(36)).join('');
}

function tokenSecret(id: string): Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'> {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'kube-system', name: `bootstrap-token-${id}` } };
}

/** The node's token, made if there is none that lives long enough. */
async function ensureToken(context: ClusterContext, name: string): Promise<string> {
  const { kubernetes, spec } = context;
  const id = tokenId(context, name);
  const existing = await kubernetes.read<V1Secret>(tokenSecret(id));
  const secretOf = (secret: V1Secret | undefined, key: string): string =>
    Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
  if (existing !== undefined && Date.parse(secretOf(existing, 'expiration')) > Date.now() + 10 * 60_000) {
    return `${id}.${secretOf(existing, 'token-secret')}`;
  }
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const secret = Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join('');
  // The kubelet asks with it until its request is decided: it outlives the deadline by an hour.
  const expiration = new Date(Date.now() + (seconds(spec.approvals.deadline) + 3600) * 1000);
  await kubernetes.apply({
    ...tokenSecret(id),
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      description: `joins ${name}; made by ha-kubernetes`,
      'token-id': id,
      'token-secret': secret,
      expiration: expiration.toISOString().replace(/\.\d+Z$/, 'Z'),
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': BOOTSTRAP_GROUP,
    },
  });
  return `${id}.${secret}`;
}
