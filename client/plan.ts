import { lockOf } from '../activities/artifacts/artifact-lock.js';
import { compareDescriptions } from '../cluster/spec-diff.js';
import type { ClusterSpec } from '../cluster/spec.js';
import type { planCluster } from '../workflows/index.js';
import { look } from './look.js';
import { print, writeJson } from './output.js';

/** Shows what deploy-ha would change; changes nothing. */
export async function plan(spec: ClusterSpec, json: string | true | undefined): Promise<void> {
  const plans = await look<typeof planCluster>(spec, 'planCluster', 'plan');
  await writeJson(json, plans);
  if (json === true) return;
  for (const { host, notes, changes } of plans) {
    const found = changes.length === 0 ? 'as it should be' : `${changes.length} changes`;
    print([`${host}: ${found}`, ...notes].join('; '));
    for (const { component, what, why, inTurn } of changes) {
      print(`  ${component.padEnd(28)} ${what}: ${why}${inTurn === true ? ' (restarted in its turn)' : ''}`);
    }
  }
  const turns = plans.flatMap(({ host, changes }) =>
    changes.filter(({ inTurn }) => inTurn === true).map(({ what }) => `${what} on ${host}`),
  );
  if (turns.length > 0) {
    print(`restarted one at a time, each while all other members are well: ${turns.join(', ')}`);
  }
}

/** Shows what another version of the cluster file describes differently; looks at no host and needs no Temporal. */
export async function compare(before: ClusterSpec, after: ClusterSpec, json: string | true | undefined): Promise<void> {
  const [earlier, later] = await Promise.all([lockOf(before), lockOf(after)]);
  const all = compareDescriptions({ spec: before, lock: earlier }, { spec: after, lock: later });
  await writeJson(json, all);
  if (json === true) return;
  if (all.length === 0) print('both describe the same');
  for (const { hosts, component, differences } of all) {
    print(`${hosts.length === 0 ? 'in the cluster' : hosts.join(', ')}: ${component}`);
    for (const { what, how, lines } of differences) {
      print(`  ${what}${how === undefined ? '' : ` ${how}`}`);
      for (const line of lines) print(`    ${line}`);
    }
  }
}
