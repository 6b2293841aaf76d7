import { z } from 'zod';
import {
  BENCH_ARTIFACT,
  benchmarkConfiguration,
  benchmarkFiles,
  benchmarkTargets,
  skippedChecks,
  warningReasons,
  type Finding,
  type HostAudit,
} from '../cluster/benchmark.js';
import type { FileContent } from '../cluster/desired-state.js';
import type { Host, SpecReference } from '../cluster/spec.js';
import { hostByName } from '../cluster/topology.js';
import { requireSupport, type Benchmark } from '../cluster/versions.js';
import { activity, PreconditionError } from './activity.js';
import type { ClusterContext } from './cluster-context.js';
import type { ActivityDependencies } from './dependencies.js';
import { call, script } from './host-state/shell.js';
import { transfer } from './host-state/transfer.js';
import { quote } from './ssh/remote-command.js';

/** Where kube-bench stands while it runs: root's alone, and gone afterwards. */
const DIRECTORY = '/var/lib/ha-kubernetes-audit';

/** A file on a host, and the digest of what was sent. */
interface SentFile {
  readonly path: string;
  readonly sha256: string;
}

/** What is wanted of kube-bench's report; it holds command lines too, which stay on the worker. */
const reportSchema = z.object({
  Controls: z.array(
    z.object({
      tests: z.array(
        z.object({
          results: z.array(z.object({ test_number: z.string(), test_desc: z.string(), status: z.string() })),
        }),
      ),
    }),
  ),
});

/** Hosts against the CIS benchmark. Nothing of the cluster is changed. */
// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the inferred type is the contract
export function auditActivities({ contexts, log }: ActivityDependencies) {
  return {
    auditHost: activity(
      log,
      async ({ signal, progress }, reference: SpecReference, name: string): Promise<HostAudit> => {
        const context = await contexts.get(reference);
        const host = hostByName(context.spec, name);
        const { benchmark } = requireSupport(context.spec.kubernetes);
        progress('send kube-bench');
        const sent = await sendBench(context, name, benchmark, signal);
        progress('run kube-bench');
        const { stdout } = await context.host(name).run({
          title: 'run kube-bench',
          command: 'sh -s',
          stdin: benchScript(host, benchmark, sent),
          timeoutMs: 120_000,
          maxOutputBytes: 8 * 1024 * 1024,
          signal,
        });
        return { host: name, benchmark, ...readReport(stdout, benchmark) };
      },
    ),
  };
}

/** Reads what kube-bench printed. */
export function readReport(output: string, benchmark: Benchmark): Pick<HostAudit, 'passed' | 'failed' | 'warned'> {
  const { Controls } = reportSchema.parse(JSON.parse(output));
  const results = Controls.flatMap(({ tests }) => tests.flatMap(({ results }) => results));
  const of = (status: string): Finding[] =>
    results
      .filter((result) => result.status === status)
      .map(({ test_number: id, test_desc: title }) => {
        const reason = status === 'WARN' ? warningReasons[benchmark][id] : undefined;
        return { id, title, ...(reason === undefined ? {} : { reason }) };
      });
  return { passed: of('PASS').length, failed: of('FAIL'), warned: of('WARN') };
}

async function sendBench(
  context: ClusterContext,
  name: string,
  benchmark: Benchmark,
  signal: AbortSignal,
): Promise<SentFile[]> {
  if (!context.lock.artifacts.some((artifact) => artifact.name === BENCH_ARTIFACT)) {
    throw new PreconditionError(
      `the artifact lock for ${context.lock.kubernetes} has no ${BENCH_ARTIFACT}; add the release's archive to it, with its sha256, and name the file in artifacts.lock`,
    );
  }
  const members = ['kube-bench', ...benchmarkFiles(benchmark)];
  const contents: [string, FileContent][] = [
    ...members.map((member): [string, FileContent] => [
      member,
      { kind: 'artifact', artifact: { artifact: BENCH_ARTIFACT, member } },
    ]),
    ['cfg/config.yaml', { kind: 'text', text: benchmarkConfiguration(benchmark) }],
  ];
  const parcels = await Promise.all(
    contents.map(async ([path, content]) => ({
      path: `${DIRECTORY}/${path}`,
      content: await context.resolver.resolve(content),
    })),
  );
  await transfer(context.host(name), parcels, { signal });
  return parcels.map(({ path, content: { sha256 } }) => ({ path, sha256 }));
}

const benchFunctions = String.raw`
# intact FILE SHA256
intact() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(sha256 <"$1")" = "$2" ] || fail "$1 arrived damaged"; }
`;

/**
 * Runs kube-bench as root if it and all that it reads are what was sent, and removes it, however the run ends. Findings
 * are in the report and not in the exit code.
 */
export function benchScript(
  host: Pick<Host, 'roles'>,
  benchmark: Benchmark,
  sent: readonly SentFile[],
  directory = DIRECTORY,
): string {
  const skipped = skippedChecks(host);
  return script(benchFunctions, [
    `trap ${quote(`rm -rf ${quote(directory)}`)} EXIT`,
    ...sent.map(({ path, sha256 }) => call('intact', path, sha256)),
    call('chmod', '700', `${directory}/kube-bench`),
    call(
      `${quote(`${directory}/kube-bench`)} run --json`,
      ...['--benchmark', benchmark, '--targets', benchmarkTargets(host).join(',')],
      ...['--config-dir', `${directory}/cfg`, '--config', `${directory}/cfg/config.yaml`],
      ...(skipped.length === 0 ? [] : ['--skip', skipped.join(',')]),
    ),
  ]);
}
