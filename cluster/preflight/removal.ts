import type { ClusterSpec } from '../spec.js';
import { foreignAuthorities } from './clusters.js';
import { notRoot } from './host.js';
import { othersContainers } from './others.js';
import type { Report } from './report.js';

/**
 * Every reason not to remove a cluster from a host.
 *
 * @param madeBy - the cluster in the host's undo journal; undefined where there is no journal
 */
export function judgeRemoval(
  spec: ClusterSpec,
  report: Report,
  authorities: ReadonlyMap<string, string>,
  madeBy: string | undefined,
): string[] {
  const foreign = foreignAuthorities(spec, report, authorities);
  const ours = report.has('authority') && foreign.length === 0;
  const guests = report.made('unit', 'containerd.service') ? othersContainers(report) : '';
  return [
    ...notRoot(report),
    ...foreign,
    ...(madeBy === undefined || madeBy === spec.name
      ? []
      : [
          `is part of cluster ${madeBy}, not of ${spec.name}; name the file of ${madeBy}, or take the host out of this one`,
        ]),
    ...(ours && madeBy === undefined
      ? [
          `is part of ${spec.name} but has no record of what it was before (a version without destroy has deployed it); clean it by hand`,
        ]
      : []),
    ...(guests === ''
      ? []
      : [
          `others have containers in the containerd that goes with the cluster (${guests}); remove them first (nerdctl --namespace NAME rm, docker rm)`,
        ]),
  ];
}
