import type { CertificateRequest, RequestPurpose } from '../cluster/certificate-request.js';
import { bounded } from '../cluster/bounded.js';
import { NODE_API_URL } from '../cluster/components/api-endpoint.js';
import { BOOTSTRAP_KUBECONFIG, KUBELET_KUBECONFIG, KUBELET_PKI } from '../cluster/components/kubelet.js';
import { nothing } from '../cluster/desired-state.js';
import { addNodeSteps } from '../cluster/operations/add-node.js';
import { kubeletAuthorities } from '../cluster/pki.js';
import type { SpecReference } from '../cluster/spec.js';
import { hostByName } from '../cluster/topology.js';
import { activity, NotYetError, PreconditionError, waitingActivity } from './activity.js';
import { decidedRequest, shownRequest, valid } from './arguments.js';
import { bootstrapTokenId, ensureToken, removeToken } from './bootstrap-token.js';
import {
  isDecided,
  readRequest,
  removeRequest,
  requestSha256,
  writeDecision,
  type Decided,
} from './certificate-requests.js';
import { readIssued } from './certificates/ensure-pki.js';
import { differencesFromApproved } from './certificates/issued.js';
import { bootstrapKubeconfigText } from './certificates/kubeconfig.js';
import { ensureControlPlaneMarks } from './control-plane-marks.js';
import { nodeState, waitFor } from './control-plane.js';
import { atTheGate, expectedRequest, judge } from './csr-gate.js';
import type { ActivityDependencies } from './dependencies.js';
import { applyHostState } from './host-state/apply-host-state.js';
import { ensureRotation, kubeletIdentity } from './kubelet-identity.js';

type FoundRequest =
  /** The node has its certificate, and asks for no other. */
  | { state: 'member' }
  | { state: 'asks'; request: CertificateRequest; byInventory: boolean }
  | { state: 'token-abused'; why: string };

/** How a node becomes a member (kubernetes.io, "TLS bootstrapping"). */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function nodeActivities({ contexts, log }: ActivityDependencies) {
  /** Waits for a request of the node that keeps every rule, or for its certificate; `yet` says what is missing. */
  const awaitRequest = (
    purpose: RequestPurpose,
    yet: string,
  ): ((reference: SpecReference, node: string) => Promise<FoundRequest & { attempts: number }>) =>
    waitingActivity(log, async ({ signal }, reference, node) => {
      const context = await contexts.get(reference);
      const isMember = async (): Promise<boolean> =>
        (await kubeletIdentity(context, node, signal)).certificates[purpose] !== undefined;
      const tell = (name: string, why: string): void => {
        log.warn({ host: node, name, why }, 'a certificate request was denied by rule');
      };
      return waitFor<FoundRequest>(async () => {
        // What a bootstrapping kubelet left behind is of no interest once it is a member; a member's renewal is.
        if (purpose === 'client' && (await isMember())) {
          await ensureRotation(context, node, signal);
          return { state: 'member' };
        }
        const found = await atTheGate(context, node, purpose, { signal, tell });
        if (found.state === 'asks') {
          return { ...found, byInventory: context.spec.approvals.policy === 'inventory' };
        }
        if (found.state === 'token-abused') return found;
        if (purpose === 'serving' && (await isMember())) return { state: 'member' };
        throw new NotYetError(`${node} ${yet}`);
      }, signal);
    });

  return {
    planNode: activity(log, async (_execution, reference: SpecReference, name: string) => {
      const { spec } = await contexts.get(reference);
      const host = hostByName(spec, name);
      if (!host.roles.includes('node')) throw new PreconditionError(`${name} does not have the role node in the spec`);
      return { steps: addNodeSteps(spec, host) };
    }),

    /** One token a node, which expires; the secret half goes from the API to the host and nowhere else. */
    issueBootstrapToken: activity(log, async ({ signal, progress }, reference: SpecReference, name: string) => {
      const context = await contexts.get(reference);
      if ((await kubeletIdentity(context, name, signal)).certificates.client !== undefined) {
        return { changed: 0, note: 'is a member already' };
      }
      const token = await ensureToken(context, name);
      const { certificate } = await readIssued(context.store.pki, 'kubernetes-ca');
      const text = bootstrapKubeconfigText({
        cluster: context.spec.name,
        user: 'kubelet-bootstrap',
        server: NODE_API_URL,
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
      // A kubelet whose certificate has ended would renew it with a key in its memory: it joins like a new one.
      await context.host(name).run({
        title: "remove the kubelet's outdated kubeconfig",
        command: `[ ! -e ${KUBELET_KUBECONFIG} ] || { rm -f ${KUBELET_KUBECONFIG} && systemctl try-restart kubelet.service; }`,
        timeoutMs: 60_000,
        signal,
      });
      return { changed: changes.length, note: `token ${bootstrapTokenId(context.spec, name)} (its public half)` };
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

    /**
     * Writes a decision into the cluster; only into the very request that it was made about. An approval is checked here
     * once more, by every rule and against the host, whatever whoever asks for it has checked.
     */
    decideCertificateRequest: activity(
      log,
      async ({ signal }, reference: SpecReference, request: CertificateRequest, decided: Decided) => {
        const context = await contexts.get(reference);
        const { node, purpose, name } = valid(shownRequest, request);
        const decision = valid(decidedRequest, decided);
        const expected = expectedRequest(context, node, purpose);
        const csr = await readRequest(context.kubernetes, name);
        if (csr === undefined) {
          // Denied requests may be cleaned up before a second attempt; an approved one must be there.
          if (decision.decision === 'deny') return { changed: 0 };
          throw new PreconditionError(`the request ${name} of ${node} is gone; let the node ask again`);
        }
        if (requestSha256(csr) !== request.csrSha256) {
          throw new PreconditionError(`the request ${name} is not the one that was decided about`);
        }
        if (decision.decision === 'approve' && !isDecided(csr)) {
          const { problems } = judge(csr, expected, await kubeletIdentity(context, node, signal));
          if (problems.length > 0) {
            throw new PreconditionError(`the request ${name} of ${node} cannot be approved: ${problems.join('; ')}`);
          }
        }
        await writeDecision(context.kubernetes, csr, decision);
        log.info({ csrSha256: request.csrSha256, ...decision }, 'a certificate request was decided');
        return { changed: 1 };
      },
    ),

    /** Waits for the certificate of an approved request, and holds it against what was approved. */
    checkIssuedCertificate: waitingActivity(
      log,
      async ({ signal }, reference: SpecReference, request: CertificateRequest) => {
        const context = await contexts.get(reference);
        const { name, node } = valid(shownRequest, request);
        const authority = kubeletAuthorities[request.purpose];
        const { certificate = '' } = await readIssued(context.store.pki, authority);
        const pem = await waitFor(async () => {
          const csr = await readRequest(context.kubernetes, name);
          const failed = csr?.status?.conditions?.find(({ type }) => type === 'Failed' || type === 'Denied');
          if (failed !== undefined) {
            throw new PreconditionError(
              bounded(`the signer refused the request ${name} of ${node}: ${failed.message ?? failed.reason ?? ''}`),
            );
          }
          if (csr?.status?.certificate !== undefined) return Buffer.from(csr.status.certificate, 'base64').toString();
          // Kubernetes collects an answered request after an hour: then the host has what came of it.
          const held = csr === undefined ? (await kubeletIdentity(context, node, signal)).certificates : {};
          const certificate = held[request.purpose]?.toString();
          if (certificate === undefined) throw new NotYetError(`the request ${name} of ${node} is not signed yet`);
          return certificate;
        }, signal);
        const differences = differencesFromApproved(pem, request, { name: authority, certificate });
        if (differences.length > 0)
          log.error({ host: node, name, differences }, 'a certificate is not what was approved');
        return { differences: differences.map((difference) => bounded(difference)) };
      },
    ),

    /**
     * Keeps a node out whose certificate is not what was approved: Kubernetes cannot revoke a certificate, so whoever
     * fetches it must not get it, and the host that may have it must not use it.
     */
    keepNodeOut: activity(log, async ({ signal }, reference: SpecReference, request: CertificateRequest) => {
      const context = await contexts.get(reference);
      const { name, node } = valid(shownRequest, request);
      expectedRequest(context, node, request.purpose);
      await removeRequest(context.kubernetes, name);
      await removeToken(context, node);
      await context.host(node).run({
        title: 'stop the kubelet and remove its certificates',
        command: `systemctl disable --now kubelet.service; rm -f ${BOOTSTRAP_KUBECONFIG} ${KUBELET_KUBECONFIG} ${KUBELET_PKI}/kubelet-client-* ${KUBELET_PKI}/kubelet-server-*`,
        timeoutMs: 60_000,
        signal,
      });
      await context.kubernetes.remove({ apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
      return { changed: 1 };
    }),

    /** Waits until the node is Ready; label and taint of a control-plane node are then as the spec wants them. */
    awaitNodeReady: waitingActivity(log, async ({ signal, progress }, reference: SpecReference, name: string) => {
      const { kubernetes, spec } = await contexts.get(reference);
      const version = await waitFor(async () => {
        const node = await nodeState(kubernetes, name);
        const problem = node === undefined ? 'it has not registered yet' : node.ready ? undefined : node.reason;
        progress(problem ?? 'Ready');
        if (problem !== undefined) throw new NotYetError(`${name} is not Ready: ${problem}`);
        return node?.version ?? '';
      }, signal);
      const changed = await ensureControlPlaneMarks(kubernetes, spec, hostByName(spec, name));
      return { changed: Number(changed), note: `Ready at ${version}` };
    }),

    /** A token that has served its purpose, or never will, can do nothing any more. */
    revokeBootstrapToken: activity(log, async ({ signal }, reference: SpecReference, name: string) => {
      const context = await contexts.get(reference);
      const existed = await removeToken(context, name);
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
