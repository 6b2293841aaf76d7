import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { format, resolveConfig } from 'prettier';
import { allOfficialLocks } from '../activities/artifacts/artifact-lock.js';
import { compatibilityTable, withCompatibilityTable } from '../bench/compatibility.js';
import { readVersionFigures, type VersionFigures } from '../bench/version-figures.js';
import { provenMinors } from '../cluster/versions.js';
import { plans } from '../lab/mirror/plans/index.js';

const figures: VersionFigures = {
  kubernetes: 'v1.37.9',
  date: '2026-11-01',
  hosts: 'Debian GNU/Linux 12 (bookworm)',
  programs: { etcd: '3.7.8', containerd: '2.3.9', runc: '1.5.7' },
  firstReadySeconds: 61,
  readySeconds: 59,
  deploySeconds: 80,
  destroySeconds: 14,
  checks: { passed: 10, of: 11 },
  failedAudits: 3,
  drill: { leaseMoveSeconds: 15.25, nodesNotReady: [] },
  criticalPath: [],
};

const locks = await allOfficialLocks();

test('the compatibility table of the README is the one that versions and lab runs give', async () => {
  const text = await readFile('README.md', 'utf8');
  const options = { ...(await resolveConfig('README.md')), filepath: 'README.md' };
  assert.equal(await format(withCompatibilityTable(text, await readVersionFigures(), locks), options), text);
});

test('every minor that is deployed has been deployed on the lab, with the patch whose mirror can be built', async () => {
  const deployed = (await readVersionFigures()).map(({ kubernetes }) => kubernetes);
  assert.deepEqual(
    deployed,
    plans.map(({ kubernetes }) => kubernetes),
  );
  assert.deepEqual(
    deployed.map((version) => Number(version.split('.')[1])),
    provenMinors,
  );
});

test('the table says what a run on the lab has shown, also when that was not all good', () => {
  const rows = compatibilityTable([figures], locks);
  const row = rows.find((line) => line.includes('v1.37.x'));
  assert.match(row ?? '', /3\.7\.8 \| 2\.3\.9, 1\.5\.7 .* nftables/);
  assert.match(
    row ?? '',
    /v1\.37\.9 on 2026-11-01: 10 of 11 checks passed, 3 CIS checks failed, leases moved after 15\.3 s/,
  );
});

test('a minor that was never deployed on the lab is said to be so', () => {
  const row = compatibilityTable([], locks).find((line) => line.includes('v1.36.x'));
  assert.match(row ?? '', /\| never \|/);
});

test('a text without a place for the table is refused', () => {
  assert.throws(() => withCompatibilityTable('# A text', [], locks), /README\.md has no lines/);
});
