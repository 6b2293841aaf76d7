import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { say } from '../progress.js';
import { eventIn, focusOf } from './ginkgo-output.js';
import type { Suite } from './suite.js';
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

/** How often ginkgo tells of a test that runs for a minute already. */
const REPORT_SECONDS = 20;

/** How long tests that are cut off may take to clean up. */
const CLEAN_UP_SECONDS = 120;

/** Runs the tests, each at most once to its end. */
export async function runSpecs(suite: Suite, specs: readonly string[], options: RunOptions): Promise<Verdicts> {
  const verdicts = new Map<string, Verdict>();
  const left = (): string[] => specs.filter((name) => !verdicts.has(name));
  for (let round = 1; round <= ROUNDS && left().length > 0; round++) {
    if (options.signal.aborted || Date.now() > options.deadline) break;
    const found = await runRound(suite, left(), round, verdicts, specs.length, options);
    for (const [name, verdict] of found) verdicts.set(name, verdict);
  }
  return verdicts;
}

async function runRound(
  suite: Suite,
  specs: readonly string[],
  round: number,
  earlier: Verdicts,
  of: number,
  { kubeconfig, directory, procs, specSeconds, deadline, signal }: RunOptions,
): Promise<Map<string, Verdict>> {
  const prefix = `round-${round}`;
  const report = `${prefix}.json`;
  const log = createWriteStream(join(directory, `${prefix}.log`));
  const patience = Math.min(specSeconds, 60);
  const ginkgo = execa(
    suite.ginkgo,
    [
      // With one process alone ginkgo's output has another form, and tells nothing while a test runs.
      `--procs=${Math.max(procs, 2)}`,
      ...['-v', '--no-color', '--silence-skips', `--timeout=${Math.ceil((deadline - Date.now()) / 1000)}s`],
      ...[`--poll-progress-after=${patience}s`, `--poll-progress-interval=${REPORT_SECONDS}s`],
      ...[`--output-dir=${directory}`, `--json-report=${report}`, ...specs.map((name) => `--focus=${focusOf(name)}`)],
      suite.e2e,
      '--',
      ...[`--kubeconfig=${kubeconfig}`, `--kubectl-path=${suite.kubectl}`, '--provider=skeleton'],
      ...[`--report-dir=${directory}`, `--report-prefix=${prefix}-`, `--e2e-output-dir=${directory}`],
      ...['--disable-log-dump'],
    ],
    // In a session of its own: an interrupt from the keyboard is passed on, once.
    { detached: true, stdin: 'ignore', all: true, buffer: false, reject: false, cwd: directory },
  );
  const state = {
    ended: earlier.size,
    failed: [...earlier.values()].filter((verdict) => verdict.state === 'failed').length,
  };
  const overrun = new Map<string, Verdict>();
  const running = new Map<string, { seconds: number; at: number }>();
  let interrupted = false;
  const interrupt = (): void => {
    if (interrupted) return;
    interrupted = true;
    ginkgo.kill('SIGINT');
    void sleep(CLEAN_UP_SECONDS * 1000, undefined, { ref: false }).then(() => {
      if (ginkgo.exitCode === null && ginkgo.pid !== undefined) killGroup(ginkgo.pid);
    });
  };
  signal.addEventListener('abort', interrupt, { once: true });
  const begin = Date.now();
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - begin) / 1000);
    const [longest] = [...running].filter(([, { at }]) => at > Date.now() - REPORT_SECONDS * 1500);
    const busy = longest === undefined ? '' : `, ${longest[1].seconds.toFixed(0)} s in: ${longest[0].slice(0, 80)}`;
    say(`  ${state.ended} of ${of} tests, ${state.failed} failed, ${seconds} s${busy}`);
  }, SAY_SECONDS * 1000);
  try {
    for await (const line of ginkgo.iterable({ from: 'all' })) {
      log.write(`${line}\n`);
      const event = eventIn(line);
      if (event?.kind === 'ended') {
        state.ended += 1;
        if (event.failed) state.failed += 1;
      }
      if (event?.kind === 'running') {
        running.set(event.name, { seconds: event.seconds, at: Date.now() });
        if (event.seconds > specSeconds && specs.includes(event.name)) {
          say(`  cut off after ${event.seconds.toFixed(0)} s: ${event.name}`);
          overrun.set(event.name, { state: 'failed', message: `cut off after ${event.seconds.toFixed(0)} s` });
          interrupt();
        }
      }
    }
    await ginkgo;
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', interrupt);
    log.end();
    if (ginkgo.pid !== undefined) killGroup(ginkgo.pid);
  }
  const found = await verdictsIn(join(directory, report));
  const wanted = new Set(specs);
  return new Map([...found, ...overrun].filter(([name]) => wanted.has(name)));
}

/** Ends what a process left of its session. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // There is nothing left.
  }
}
