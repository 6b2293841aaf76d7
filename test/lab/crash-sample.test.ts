import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { LabRun } from './harness.js';
import { DisturbedRun, plannedChanges, type FinishedRun } from './crash-matrix/disturbed-run.js';
import { undisturbedSteps } from './crash-matrix/matrix.js';
import { beforeDeployment, differences, hosts, takePicture, type Picture } from './crash-matrix/picture.js';
import { drawSteps, pointIn, undisturbed, type Fault, type Plan } from './crash-matrix/points.js';

/** A sample of the crash matrix (bench/crash-matrix.md), another one every day; the seed repeats it. */
const seed = process.env['HA_KUBERNETES_SEED'] ?? new Date().toISOString().slice(0, 10);

/** In the order of the run. */
const faults: readonly Fault[] = ['worker', 'worker', 'ssh', 'worker', 'temporal', 'worker', 'worker'];

test(
  `a deployment through kills of worker and server and a cut connection is as an undisturbed one (HA_KUBERNETES_SEED=${seed})`,
  { timeout: 900_000 },
  async (t) => {
    t.diagnostic(`HA_KUBERNETES_SEED=${seed}`);
    const plain = await deployed(undisturbed);
    const disturbed = await deployed({
      steps: drawSteps(undisturbedSteps(plain.run), seed, 'sample'),
      faults,
      point: (step, fault) => pointIn(step, fault, hosts, seed, 'sample'),
    });
    for (const { step, fault, delayMs, met } of disturbed.run.faults) {
      t.diagnostic(`${fault} ${(delayMs / 1000).toFixed(1)} s into ${step}${met ? '' : ' (it had just ended)'}`);
    }
    t.diagnostic(`undisturbed ${plain.run.seconds.toFixed(1)} s, disturbed ${disturbed.run.seconds.toFixed(1)} s`);
    assert.ok(disturbed.run.faults.length >= 4, `only ${disturbed.run.faults.length} faults found their step`);
    assert.deepEqual(disturbed.planned, []);
    assert.deepEqual(differences(plain.picture, disturbed.picture), []);
  },
);

/** One deployment on new hosts. */
async function deployed(plan: Plan): Promise<{ run: FinishedRun; picture: Picture; planned: string[] }> {
  const lab = await LabRun.start();
  try {
    const file = await lab.clusterFile(newestVersion, '--without', 'node03', '--approvals', 'inventory');
    await beforeDeployment(lab);
    const run = await DisturbedRun.play(lab, file, plan);
    return { run, planned: await plannedChanges(lab, file), picture: await takePicture(lab) };
  } finally {
    await lab.close();
  }
}
