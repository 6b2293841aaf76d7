import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { show, Timeline, type TimedStep } from '../../bench/timeline.js';
import { plans } from '../../lab/mirror/plans/index.js';
import type { DeployResult } from '../../workflows/deploy-ha.js';
import type { DrillResult } from '../../workflows/failover-drill.js';
import { LabRun, must } from './harness.js';
import { writeFormatted } from './write-formatted.js';

type DeployReport = Pick<DeployResult, 'checks' | 'audits'> & {
  readonly seconds: number;
  readonly steps: readonly TimedStep[];
};

/** What one version took on the lab. */
interface Figures {
  readonly kubernetes: string;
  /** A deployment for which the worker had to unpack the programs first. */
  readonly first: DeployReport;
  /** Another one after a destroy. */
  readonly second: DeployReport;
  readonly destroySeconds: number;
  readonly drill: DrillResult;
}

const program = new Command('versions')
  .description(
    'Deploys each version on the lab, destroys, deploys again and drills; needs root, all mirrors, and a free lab.',
  )
  .option(
    '--kubernetes <versions...>',
    'which ones',
    plans.map(({ kubernetes }) => kubernetes),
  )
  .option('--output <file>', 'where to write the figures', 'bench/versions.md')
  .parse();
const options: { readonly kubernetes: string[]; readonly output: string } = program.opts();

const all: Figures[] = [];
for (const kubernetes of options.kubernetes) {
  const figures = await measure(kubernetes);
  all.push(figures);
  const { first, second, drill } = figures;
  process.stderr.write(
    `${kubernetes}: Ready after ${show(ready(first))} and ${show(ready(second))} s, leases moved after ${show(drill.leaseMoveSeconds)} s\n`,
  );
}
await writeFormatted(options.output, page());

async function measure(kubernetes: string): Promise<Figures> {
  const run = await LabRun.start();
  const report = join(run.directory, 'report.json');
  const operation = async <Report>(...args: string[]): Promise<Report> => {
    await must(run.startWorkflow(...args, '--json', report));
    return JSON.parse(await readFile(report, 'utf8')) as Report;
  };
  try {
    const file = await run.clusterFile(kubernetes, '--approvals', 'inventory', '--without', 'node03');
    const first = await operation<DeployReport>('deploy-ha', '-f', file);
    const { seconds } = await operation<{ seconds: number }>(
      'destroy',
      '-f',
      file,
      '--confirm',
      'lab',
      '--delete-data',
    );
    const second = await operation<DeployReport>('deploy-ha', '-f', file);
    const drill = await operation<DrillResult>('failover-drill', '-f', file);
    return { kubernetes, first, second, destroySeconds: seconds, drill };
  } finally {
    await run.close();
  }
}

/** Seconds until the last node was Ready. */
function ready({ steps }: DeployReport): number {
  return new Timeline(steps).endOf('node-ready');
}

function page(): string {
  return [
    '# The same cluster, version by version',
    '',
    'Three masters and two nodes on the lab, requests approved by inventory, machine otherwise idle: deployed for the',
    'first time (the worker unpacks the programs), destroyed, deployed again, and the holder of the leases powered off.',
    'Seconds; compare within one run. To repeat it:',
    '',
    '```',
    'node dist/test/lab/versions.js',
    '```',
    '',
    '| version | nodes Ready, first time | nodes Ready, programs cached | whole deployment, with checks | destroy | checks | CIS checks failed, on all hosts | drill: leases moved after | nodes that left Ready |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...all.map(({ kubernetes, first, second, destroySeconds, drill }) =>
      [
        '',
        kubernetes,
        show(ready(first)),
        show(ready(second)),
        show(second.seconds),
        show(destroySeconds),
        `${second.checks.filter(({ ok }) => ok).length} of ${second.checks.length}`,
        second.audits.length === 0 ? 'no benchmark' : second.audits.flatMap(({ failed }) => failed).length,
        show(drill.leaseMoveSeconds),
        drill.nodesNotReady.length,
        '',
      ].join(' | '),
    ),
    ...all.flatMap(({ kubernetes, second: { steps } }) => {
      const timeline = new Timeline(steps);
      return [
        '',
        `## ${kubernetes}: what the nodes waited for, programs cached`,
        '',
        ...timeline.describe(timeline.criticalPath('node-ready')),
      ];
    }),
    '',
  ].join('\n');
}
