/**
 * Deploys the lab's cluster by turns from this checkout and from another one, on the same machine in the same hour: what
 * a change costs shows as a ratio, whatever else the machine does.
 *
 *   node dist/bench/paired-deployments.js OTHER [--pairs N] [--kubernetes VERSION] [--other-cache DIRECTORY]
 *
 * OTHER is a checkout that is built (`npm ci && npm run build`); `--other-cache` is its HA_KUBERNETES_CACHE, where the two
 * need different mirrors. Three masters and two nodes, requests approved by rule. Writes bench/paired-deployments.md.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { newestVersion } from '../lab/mirror/plans/index.js';
import { median } from '../test/lab/crash-matrix/report.js';
import { writeFormatted } from './write-formatted.js';

/** Seconds from the start of deploy-ha. */
interface Times {
  /** Until the last node was Ready. */
  readonly ready: number;
  /** Until deploy-ha had ended, with its checks and its audit. */
  readonly whole: number;
}

/** Runs in a process of its own, since a checkout reads its environment as it is loaded. */
const oneDeployment = `
const [harness, version] = process.argv.slice(-2);
const { LabRun } = await import(harness);
const run = await LabRun.start();
try {
  const file = await run.clusterFile(version, '--approvals', 'inventory', '--without', 'node03');
  const started = Date.now();
  const { exitCode, stdout, stderr } = await run.startWorkflow('deploy-ha', '-f', file);
  const whole = (Date.now() - started) / 1000;
  const lines = stdout + stderr;
  if (exitCode !== 0) throw new Error(lines.slice(-2000));
  const ready = [...lines.matchAll(/^ *([0-9.]+) s +done +See node[0-9]+ Ready/gm)].map(([, seconds]) => Number(seconds));
  console.log(JSON.stringify({ ready: Math.max(...ready), whole }));
} finally {
  await run.close();
}
`;

async function deploy(checkout: string, kubernetes: string, cache: string | undefined): Promise<Times> {
  const { stdout } = await execa(
    process.execPath,
    ['--input-type=module', '--eval', oneDeployment, '--', resolve(checkout, 'dist/test/lab/harness.js'), kubernetes],
    { cwd: checkout, env: cache === undefined ? {} : { HA_KUBERNETES_CACHE: cache } },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Times;
}

async function commitOf(checkout: string): Promise<string> {
  return (await execa('git', ['rev-parse', '--short', 'HEAD'], { cwd: checkout })).stdout;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '3' },
    kubernetes: { type: 'string', default: newestVersion },
    'other-cache': { type: 'string' },
  },
});
const [other] = positionals;
if (other === undefined) throw new Error('name the other checkout');
const own = fileURLToPath(new URL('../..', import.meta.url));
const pairs: { other: Times; own: Times }[] = [];
for (let pair = 1; pair <= Number(values.pairs); pair += 1) {
  const before = await deploy(other, values.kubernetes, values['other-cache']);
  const after = await deploy(own, values.kubernetes, undefined);
  pairs.push({ other: before, own: after });
  console.error(`pair ${pair}: ${JSON.stringify(pairs.at(-1))}`);
}
const ratio = (of: keyof Times): string => median(pairs.map((pair) => pair.own[of] / pair.other[of])).toFixed(2);
const row = (pair: (typeof pairs)[number], index: number): string =>
  `| ${index + 1} | ${[pair.other.ready, pair.own.ready, pair.other.whole, pair.own.whole].map((s) => s.toFixed(1)).join(' | ')} |`;
await writeFormatted(
  'bench/paired-deployments.md',
  [
    '# Deployments in pairs',
    '',
    `deploy-ha of ${values.kubernetes} with three masters and two nodes on the lab, by turns from ${await commitOf(other)} and ${await commitOf(own)}, on ${new Date().toISOString().slice(0, 10)}; seconds from its start. [bench/paired-deployments.ts](paired-deployments.ts) repeats it.`,
    '',
    '| pair | nodes Ready, before | now | whole, before | now |',
    '| ---: | ---: | ---: | ---: | ---: |',
    ...pairs.map(row),
    '',
    `Median ratio, now to before: ${ratio('ready')} to Ready, ${ratio('whole')} for all of it.`,
    '',
  ].join('\n'),
);
