import type { ClusterSpec, Host } from '../spec.js';
import { isAdopted, judgeClusters, type KnownCluster } from './clusters.js';
import { judgeHost } from './host.js';
import { judgeNetwork, judgeReach, type Reach } from './network.js';
import { judgeOthers } from './others.js';
import { together, type Report } from './report.js';
import { judgeSettings } from './settings.js';

/** Every reason not to deploy to a host, and what the deployment will do to what it found there. */
export interface Judgement {
  readonly problems: string[];
  readonly notes: string[];
  /** See {@link Reach}. */
  readonly cutOff: Reach['cutOff'];
  /** The host's clock, Unix time in milliseconds. */
  readonly clockMs: number;
  /** machine-id(5); empty where the host has none. */
  readonly machineId: string;
}

/**
 * Judges what a look at a host printed. A host of this cluster's own earlier deployment is fit whatever that has left on it.
 *
 * @param sysctls - every kernel setting of the host's components
 */
export function judgePreflight(
  spec: ClusterSpec,
  host: Host,
  report: Report,
  known: KnownCluster,
  sysctls: Readonly<Record<string, string>>,
): Judgement {
  const reach = judgeReach(spec, host, report);
  const findings = together([
    judgeHost(spec, host, report),
    judgeClusters(spec, host, report, known),
    judgeOthers(spec, host, report),
    judgeNetwork(spec, host, report, isAdopted(spec, report, known)),
    reach,
    judgeSettings(sysctls, report),
  ]);
  return {
    ...findings,
    cutOff: reach.cutOff,
    clockMs: Number(report.word('clock')),
    machineId: report.word('machine-id'),
  };
}
