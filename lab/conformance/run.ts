import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { say } from '../progress.js';
import { focusOf } from './ginkgo-output.js';
import type { Suite } from './suite.js';
import { REPORT_SECONDS, Tally } from './tally.js';
import { type Verdict, verdictsIn } from './verdicts.js';

/** How a run goes about it. */
export interface RunOptions {
  readonly kubeconfig: string;
  /** For logs and reports. */
  readonly directory: string;
  /** Tests that run side by side. Ginkgo runs those marked `[Serial]` after the others, one by one. */
  readonly procs: number;
  /** Longest time of one test. */
  readonly specSeconds: number;
  /** When the whole run must be over, in milliseconds since the epoch. */
  readonly deadline: number;
  /** Ends the run early. */
  readonly signal: AbortSignal;
}

/** Verdict of each test, by name; a test that the run did not come to, or that was cut off with it, has none. */
export type Verdicts = ReadonlyMap<string, Verdict>;

/** A round ends early when a test has to be cut off; then the others go on in another one, so many times at most. */
const ROUNDS = 5;

/** How often a run says how far it is. */
const SAY_SECONDS = 10;

/** How long tests that are cut off may take to clean up. */
const CLEAN_UP_SECONDS = 120;

/** Runs the tests, each at most once to its end. */
export async function runSpecs(suite: Suite, specs: readonly string[], options: RunOptions): Promise<Verdicts> {
  const verdicts = new Map<string, Verdict>();
  for (let round = 1; round <= ROUNDS; round++) {
    const left = specs.filter((name) => !verdicts.has(name));
    if (left.length === 0 || options.signal.aborted || Date.now() > options.deadline) break;
    const failed = [...verdicts.values()].filter(({ state }) => state === 'failed').length;
    const found = await runRound(
      suite,
      left,
      `round-${round}`,
      new Tally(specs.length, verdicts.size, failed),
      options,
    );
    for (const [name, verdict] of found) verdicts.set(name, verdict);
    // The suite as a whole does not run: another round would not do better.
    if (found.size === 0) break;
  }
  const left = ['delete', 'namespaces', '--selector=e2e-run', '--wait=false', `--kubeconfig=${options.kubeconfig}`];
  await execa(suite.kubectl, left, { reject: false, timeout: 60_000 });
  return verdicts;
}

async function runRound(
  suite: Suite,
  specs: readonly string[],
  name: string,
  tally: Tally,
  options: RunOptions,
): Promise<Map<string, Verdict>> {
  const { directory, specSeconds, deadline, signal } = options;
  const overrun = new Map<string, Verdict>();
  const log = createWriteStream(join(directory, `${name}.log`));
  // In a session of its own: an interrupt from the keyboard is passed on, once.
  const ginkgo = execa(suite.ginkgo, ginkgoArguments(suite, specs, name, options), {
    ...{ detached: true, stdin: 'ignore', all: true, buffer: false, reject: false, cwd: directory },
  });
  const killLater = (seconds: number): NodeJS.Timeout => setTimeout(() => killSession(ginkgo.pid), seconds * 1000);
  const timers = [
    setInterval(() => say(`  ${tally.text(Date.now())}`), SAY_SECONDS * 1000),
    killLater((deadline - Date.now()) / 1000 + CLEAN_UP_SECONDS),
  ];
  let interrupted = false;
  const interrupt = (): void => {
    if (interrupted) return;
    interrupted = true;
    ginkgo.kill('SIGINT');
    timers.push(killLater(CLEAN_UP_SECONDS));
  };
  signal.addEventListener('abort', interrupt);
  try {
    for await (const line of ginkgo.iterable({ from: 'all' })) {
      log.write(`${line}\n`);
      const running = tally.take(line, Date.now());
      if (running === undefined || running.seconds <= specSeconds || overrun.has(running.name)) continue;
      const message = `cut off after ${running.seconds.toFixed(0)} s`;
      say(`  ${message}: ${running.name}`);
      overrun.set(running.name, { state: 'failed', message });
      interrupt();
    }
    await ginkgo;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener('abort', interrupt);
    log.end();
    killSession(ginkgo.pid);
  }
  const wanted = new Set(specs);
  const verdicts = await verdictsIn(join(directory, reportOf(name)));
  return new Map([...verdicts, ...overrun].filter(([spec]) => wanted.has(spec)));
}

function reportOf(round: string): string {
  return `${round}.json`;
}

function ginkgoArguments(
  suite: Suite,
  specs: readonly string[],
  round: string,
  { kubeconfig, directory, procs, specSeconds, deadline }: RunOptions,
): string[] {
  return [
    // With one process alone ginkgo's output has another form, and tells nothing while a test runs.
    `--procs=${Math.max(procs, 2)}`,
    ...['-v', '--no-color', '--silence-skips', `--timeout=${Math.ceil((deadline - Date.now()) / 1000)}s`],
    ...[`--poll-progress-after=${Math.min(specSeconds, 60)}s`, `--poll-progress-interval=${REPORT_SECONDS}s`],
    ...[`--output-dir=${directory}`, `--json-report=${reportOf(round)}`],
    ...specs.map((name) => `--focus=${focusOf(name)}`),
    ...[suite.e2e, '--', `--kubeconfig=${kubeconfig}`, `--kubectl-path=${suite.kubectl}`, '--provider=skeleton'],
    ...[`--report-dir=${directory}`, `--report-prefix=${round}-`, `--e2e-output-dir=${directory}`],
    '--disable-log-dump',
  ];
}

/** Ends what is left of a session. */
function killSession(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing is.
  }
}
