import { ApplicationFailure } from '@temporalio/workflow';
import { refusals, type HostInspection } from '../cluster/preflight/refusals.js';
import type { Step } from '../cluster/steps.js';
import { brief, long, patient } from './activities.js';
import { FATAL, type StepOutcome } from './dag.js';
import type { SpecReference } from '../cluster/spec.js';

/**
 * The steps that deploy-ha and add-node have in common: each is one activity, named in the history by its title.
 *
 * @param inspections - collects what preflight found; `admit` decides by it
 */
export async function performCommon(
  step: Step,
  spec: SpecReference,
  inspections: HostInspection[],
): Promise<StepOutcome> {
  const { action } = step;
  const options = { summary: step.title };
  switch (action.kind) {
    case 'preflight': {
      const inspection = await brief.inspectHost.executeWithOptions(options, [spec, action.host]);
      inspections.push(inspection);
      return { attempts: inspection.attempts, changed: 0, note: inspection.notes.join('; ') };
    }
    case 'admit':
      return admit(inspections);
    case 'certificates':
      return long.issueCertificates.executeWithOptions(options, [spec]);
    case 'artifacts':
      return long.fetchArtifacts.executeWithOptions(options, [spec]);
    case 'component':
      return long.applyComponent.executeWithOptions(options, [spec, action.host, action.component]);
    case 'etcd-health':
      return brief.checkEtcd.executeWithOptions(options, [spec]);
    case 'control-plane':
      return patient.awaitControlPlane.executeWithOptions(options, [spec]);
    case 'controllers':
      return patient.awaitControllers.executeWithOptions(options, [spec]);
    case 'manifests':
      return brief.applyManifests.executeWithOptions(options, [spec, action.set]);
    case 'kubeconfig':
      return brief.writeKubeconfig.executeWithOptions(options, [spec]);
    case 'bootstrap-token':
      return brief.issueBootstrapToken.executeWithOptions(options, [spec, action.host]);
    case 'node-ready':
      return long.awaitNodeReady.executeWithOptions(options, [spec, action.host]);
    case 'revoke-token':
      return brief.revokeBootstrapToken.executeWithOptions(options, [spec, action.host]);
    default:
      throw ApplicationFailure.nonRetryable(`no workflow performs a step of kind ${action.kind} here`, FATAL);
  }
}

/** Ends the run before anything is touched if one host is not fit. */
function admit(inspections: readonly HostInspection[]): StepOutcome {
  const reasons = refusals(inspections);
  if (reasons.length > 0) {
    throw ApplicationFailure.nonRetryable(
      `nothing was changed, for ${reasons.length} reason(s):\n${reasons.join('\n')}`,
      FATAL,
    );
  }
  return { attempts: 1, changed: 0, note: 'every host is fit' };
}
