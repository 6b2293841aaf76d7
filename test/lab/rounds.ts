import { join } from 'node:path';
import { Command } from 'commander';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { LabRun, must } from './harness.js';
import { booted, differences, look } from './host-snapshot.js';
import { writeFormatted } from '../../bench/write-formatted.js';

/** What one deployment and its destroy took and left. */
interface Round {
  readonly deploySeconds: number;
  readonly destroySeconds: number;
  readonly workerPeakMiB: number;
  /** Sockets of the worker: to Temporal, and to each host until it has not been used for a minute. */
  readonly workerSockets: number;
  readonly left: readonly string[];
}

const hosts = ['master01', 'master02', 'master03', 'node01', 'node02', 'node03'];

const program = new Command('rounds')
  .description(
    'Deploys on the lab and destroys again, on the same hosts with the same worker; needs root, and a free lab.',
  )
  .requiredOption('--rounds <n>', 'how often', Number)
  .option('--kubernetes <version>', 'what to deploy; its mirror must be there', newestVersion)
  .option('--output <file>', 'where to write the figures', 'bench/rounds.md')
  .parse();

const options: { readonly rounds: number; readonly kubernetes: string; readonly output: string } = program.opts();

const rounds: Round[] = [];
const run = await LabRun.start();
try {
  const file = await run.clusterFile(options.kubernetes, '--approvals', 'inventory');
  await booted(run, hosts);
  const pristine = await look(run, hosts);
  while (rounds.length < options.rounds) {
    const deploySeconds = await timed('deploy-ha', '-f', file);
    const destroySeconds = await timed('destroy', '-f', file, '--confirm', 'lab', '--delete-data');
    const round = {
      deploySeconds,
      destroySeconds,
      workerPeakMiB: await run.workerPeakMiB(),
      workerSockets: await run.workerSockets(),
      left: differences(pristine, await look(run, hosts)),
    };
    rounds.push(round);
    process.stderr.write(`round ${rounds.length}: ${JSON.stringify(round)}\n`);
  }
} finally {
  await run.close();
}
await writeFormatted(options.output, page());
if (rounds.some(({ left }) => left.length > 0)) process.exitCode = 1;

/** Seconds that a command took; it must succeed. */
async function timed(...args: string[]): Promise<number> {
  const began = Date.now();
  await must(run.startWorkflow(...args, '--json', join(run.directory, 'report.json')));
  return (Date.now() - began) / 1000;
}

function page(): string {
  return [
    '# Deployed and destroyed, again and again',
    '',
    `Three masters and three nodes at ${options.kubernetes}, deployed and destroyed on the same hosts by the same worker.`,
    'After each destroy, everything that a deployment could have changed on a host (`test/lab/host-snapshot.ts`: files,',
    'units, packages, accounts, mounts, links, routes, rules, kernel settings, processes, sockets) is compared with what',
    'it was before the first deployment. To repeat it:',
    '',
    '```',
    `node dist/test/lab/rounds.js --rounds ${options.rounds} --kubernetes ${options.kubernetes}`,
    '```',
    '',
    '| round | deploy-ha, s | destroy, s | differences | sockets of the worker | its peak RSS, MiB |',
    '| ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rounds.map(
      (round, i) =>
        `| ${i + 1} | ${round.deploySeconds.toFixed(1)} | ${round.destroySeconds.toFixed(1)} | ${round.left.length} | ${round.workerSockets} | ${round.workerPeakMiB.toFixed(0)} |`,
    ),
    '',
  ].join('\n');
}
