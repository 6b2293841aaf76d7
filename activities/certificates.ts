import pLimit from 'p-limit';
import { certificatePlan } from '../cluster/pki.js';
import { apiServerUrl, hostsWithRole } from '../cluster/topology.js';
import { activity, PreconditionError } from './activity.js';
import { ensurePki } from './certificates/ensure-pki.js';
import { ensureRing } from './encryption/key-ring.js';
import type { SpecReference } from '../cluster/spec.js';
import type { ActivityDependencies } from './dependencies.js';

/** Certificates, the key that encrypts Secrets, and the operator's kubeconfig; keys stay in the state store. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function certificateActivities({ contexts, log }: ActivityDependencies) {
  // Nodes that join at once each ask for the whole PKI: whoever is first makes it, and the others find it.
  const oneAtATime = pLimit(1);
  return {
    issueCertificates: activity(log, async (_execution, reference: SpecReference) => {
      const { spec, store } = await contexts.get(reference);
      const [report, encryption] = await oneAtATime(async () => [
        await ensurePki(store.pki, certificatePlan(spec), new Date()),
        { outcome: await ensureRing(store.encryption) },
      ]);
      const entries = [...report.authorities, ...report.certificates, ...report.keyPairs, encryption];
      const made = entries.filter((entry) => entry.outcome !== 'reused');
      return { changed: made.length, note: `${made.length} made, ${entries.length - made.length} reused` };
    }),

    writeKubeconfig: activity(log, async (_execution, reference: SpecReference) => {
      const { spec, store, content } = await contexts.get(reference);
      const [master] = hostsWithRole(spec, 'control-plane');
      if (master === undefined) throw new PreconditionError('the spec has no control-plane host');
      await store.writeKubeconfig(await content.kubeconfig(apiServerUrl(master), 'admin'));
      return { changed: 0, note: store.kubeconfigPath };
    }),
  };
}
