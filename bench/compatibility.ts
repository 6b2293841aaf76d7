import { readFile } from 'node:fs/promises';
import { allOfficialLocks } from '../activities/artifacts/artifact-lock.js';
import { type ArtifactLock, type ImageName, imageReference } from '../cluster/artifacts.js';
import { provenMinors, requireSupport } from '../cluster/versions.js';
import { type VersionFigures, readVersionFigures } from './version-figures.js';
import { show } from './timeline.js';
import { writeFormatted } from './write-formatted.js';

/**
 * `node dist/bench/compatibility.js`: writes the compatibility table of the README from cluster/versions.ts and from what
 * was deployed on the lab (bench/versions.json).
 */

const README = 'README.md';
const BEGIN = '<!-- the compatibility table: written by bench/compatibility.ts -->';
const END = '<!-- the end of the compatibility table -->';

/** The table's lines in Markdown: every minor that is deployed, what it runs with, and when that was shown. */
export function compatibilityTable(runs: readonly VersionFigures[], locks: readonly ArtifactLock[]): string[] {
  return [
    '| `kubernetes` | etcd | containerd, runc | CoreDNS | pause | metrics-server | Services (`auto`) | deployed on the lab |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...provenMinors.map((minor) => {
      const { metricsServer, features } = requireSupport(`v1.${minor}.0`);
      const lock = locks.find(({ kubernetes }) => kubernetes.startsWith(`v1.${minor}.`));
      const tag = (name: ImageName): string => (lock === undefined ? '' : tagOf(imageReference(lock, name)));
      const run = runs.find(({ kubernetes }) => kubernetes.startsWith(`v1.${minor}.`));
      return [
        '',
        `v1.${minor}.x`,
        run?.programs.etcd,
        run === undefined ? undefined : `${run.programs.containerd}, ${run.programs.runc}`,
        tag('coredns'),
        tag('pause'),
        metricsServer ? tag('metrics-server') : 'none fits',
        features.nftablesProxy ? 'nftables, or iptables (old kernel)' : 'iptables',
        run === undefined ? 'never' : shown(run),
        '',
      ].join(' | ');
    }),
  ];
}

/** A text with the table put in the place that is marked for it. */
export function withCompatibilityTable(
  text: string,
  runs: readonly VersionFigures[],
  locks: readonly ArtifactLock[],
): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${README} has no lines "${BEGIN}" and, below it, "${END}"`);
  return [text.slice(0, begin) + BEGIN, '', ...compatibilityTable(runs, locks), '', text.slice(end)].join('\n');
}

/** Brings the table of the README to what is known now. */
export async function updateReadme(): Promise<void> {
  await writeFormatted(
    README,
    withCompatibilityTable(await readFile(README, 'utf8'), await readVersionFigures(), await allOfficialLocks()),
  );
}

function shown({ kubernetes, date, checks, failedAudits, drill }: VersionFigures): string {
  return [
    `${kubernetes} on ${date}: ${checks.passed} of ${checks.of} checks passed`,
    ...(failedAudits === undefined ? [] : [`${failedAudits} CIS checks failed`]),
    `leases moved after ${show(drill.leaseMoveSeconds)} s`,
  ].join(', ');
}

function tagOf(reference: string): string {
  return /:v?([^:@]+)(@|$)/.exec(reference)?.[1] ?? reference;
}

if (process.argv[1] === import.meta.filename) await updateReadme();
