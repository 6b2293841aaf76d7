import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { updateReadme } from '../../bench/compatibility.js';
import { FIGURES, type VersionFigures, readVersionFigures } from '../../bench/version-figures.js';
import { show, Timeline, type TimedStep } from '../../bench/timeline.js';
import { writeFormatted } from '../../bench/write-formatted.js';
import { plans } from '../../lab/mirror/plans/index.js';
import type { DeployResult } from '../../workflows/deploy-ha.js';
import type { DrillResult } from '../../workflows/failover-drill.js';
import { LabRun, must } from './harness.js';

type DeployReport = Pick<DeployResult, 'checks' | 'audits'> & {
  readonly seconds: number;
  readonly steps: readonly TimedStep[];
};

const PAGE = 'bench/versions.md';
const supported = plans.map(({ kubernetes }) => kubernetes);

const program = new Command('versions')
  .description(
    `Deploys each version on the lab, destroys, deploys again and drills; needs root, all mirrors, and a free lab.
Writes ${FIGURES}, ${PAGE} and the compatibility table of the README after each.`,
  )
  .option('--kubernetes <versions...>', 'which ones', supported)
  .parse();
const options: { readonly kubernetes: string[] } = program.opts();
const unknown = options.kubernetes.find((version) => !supported.includes(version));
if (unknown !== undefined) program.error(`error: --kubernetes ${unknown}: there are ${supported.join(', ')}`);

for (const kubernetes of options.kubernetes) {
  const figures = await measure(kubernetes);
  const { firstReadySeconds, readySeconds, drill } = figures;
  process.stderr.write(
    `${kubernetes}: Ready after ${show(firstReadySeconds)} and ${show(readySeconds)} s, leases moved after ${show(drill.leaseMoveSeconds)} s\n`,
  );
  const others = (await readVersionFigures()).filter((run) => run.kubernetes !== kubernetes);
  const order = (run: VersionFigures): number => supported.indexOf(run.kubernetes);
  const all = [...others, figures].sort((a, b) => order(a) - order(b));
  await writeFormatted(FIGURES, JSON.stringify(all));
  await writeFormatted(PAGE, page(all));
  await updateReadme();
}

async function measure(kubernetes: string): Promise<VersionFigures> {
  const run = await LabRun.start();
  const report = join(run.directory, 'report.json');
  const operation = async <Report>(...args: string[]): Promise<Report> => {
    await must(run.startWorkflow(...args, '--json', report));
    return JSON.parse(await readFile(report, 'utf8')) as Report;
  };
  const said = async (host: string, command: string): Promise<string> => (await run.onHost(host, command)).trim();
  try {
    const date = new Date().toISOString().slice(0, 10);
    const file = await run.clusterFile(kubernetes, '--approvals', 'inventory', '--without', 'node03');
    const first = await operation<DeployReport>('deploy-ha', '-f', file);
    const destroyed = await operation<{ seconds: number }>(
      ...['destroy', '-f', file, '--confirm', 'lab', '--delete-data'],
    );
    const second = await operation<DeployReport>('deploy-ha', '-f', file);
    const { leaseMoveSeconds, nodesNotReady } = await operation<DrillResult>('failover-drill', '-f', file);
    const timeline = new Timeline(second.steps);
    return {
      kubernetes,
      date,
      hosts: await said('node01', '. /etc/os-release; echo "$PRETTY_NAME"'),
      programs: {
        etcd: await said('master01', "etcd --version | sed -n 's/^etcd Version: //p'"),
        containerd: await said('node01', "containerd --version | awk '{print $3}' | tr -d v"),
        runc: await said('node01', "runc --version | sed -n 's/^runc version //p'"),
      },
      firstReadySeconds: new Timeline(first.steps).endOf('node-ready'),
      readySeconds: timeline.endOf('node-ready'),
      deploySeconds: second.seconds,
      destroySeconds: destroyed.seconds,
      checks: { passed: second.checks.filter(({ ok }) => ok).length, of: second.checks.length },
      ...(second.audits.length === 0 ? {} : { failedAudits: second.audits.flatMap(({ failed }) => failed).length }),
      drill: { leaseMoveSeconds, nodesNotReady: [...nodesNotReady] },
      criticalPath: timeline.describe(timeline.criticalPath('node-ready')),
    };
  } finally {
    await run.close();
  }
}

function page(runs: readonly VersionFigures[]): string {
  return [
    '# The same cluster, version by version',
    '',
    'Three masters and two nodes on the lab, requests approved by inventory, machine otherwise idle: deployed for the',
    'first time (the worker unpacks the programs), destroyed, deployed again, and the holder of the leases powered off.',
    'Seconds; compare those of one day. To repeat it:',
    '',
    '```',
    'node dist/test/lab/versions.js',
    '```',
    '',
    '| version | date | nodes Ready, first time | nodes Ready, programs cached | whole deployment, with checks | destroy | checks | CIS checks failed, on all hosts | drill: leases moved after | nodes that left Ready |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...runs.map((run) =>
      [
        '',
        run.kubernetes,
        run.date,
        show(run.firstReadySeconds),
        show(run.readySeconds),
        show(run.deploySeconds),
        show(run.destroySeconds),
        `${run.checks.passed} of ${run.checks.of}`,
        run.failedAudits ?? 'no benchmark',
        show(run.drill.leaseMoveSeconds),
        run.drill.nodesNotReady.length,
        '',
      ].join(' | '),
    ),
    ...runs.flatMap(({ kubernetes, criticalPath }) => [
      '',
      `## ${kubernetes}: what the nodes waited for, programs cached`,
      '',
      ...criticalPath,
    ]),
    '',
  ].join('\n');
}
