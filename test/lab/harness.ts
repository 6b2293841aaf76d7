import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, createWriteStream } from 'node:fs';
import { access, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { freePort } from '../support/loopback.js';
import { lateDoor, type LateDoor } from './late-door.js';
import { commandLines } from './secret-scanner.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const workerProgram = join(root, '..', 'script', 'worker');
const cache =
  process.env['HA_KUBERNETES_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ha-kubernetes');

/** Longest time that a program of the client may take. */
const CLIENT_SECONDS = 600;

/** Directory of the programs and images of a version. */
export function mirrorOf(kubernetes: string): string {
  return join(cache, 'mirror', kubernetes);
}

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sees that a program of the client ended well; what it said on stderr is shown if it did not. */
export function succeeded({ exitCode, stderr }: Outcome): void {
  assert.equal(exitCode, 0, stderr);
}

/** A program of the client that runs. */
export interface Client {
  readonly outcome: Promise<Outcome>;
  /** Ends it with SIGKILL; its outcome has the exit code -1. */
  readonly kill: () => void;
}

/** What the worker's log says of a step; other lines have neither. */
export interface LogLine {
  readonly msg: string;
  readonly step?: string;
  readonly state?: string;
}

interface Spawned {
  readonly child: ChildProcess;
  /** What it says on stdout, as soon as it says so. */
  readonly lines: Interface;
}

/**
 * Real hosts, a real Temporal server and a real worker process, each this test's own; everything is gone after
 * {@link close}, however the test ended.
 */
export class LabRun {
  private readonly processes = new Set<ChildProcess>();
  private worker: Spawned | undefined;
  private secondWorker: Spawned | undefined;
  private temporal: Spawned | undefined;
  private workersDoor: LateDoor | undefined;
  private readonly closing = new AbortController();
  private readonly listeners: ((line: LogLine) => void)[] = [];

  private constructor(
    readonly directory: string,
    private readonly port: number,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** @param options - lateWorker: what the worker says to Temporal arrives a moment late; see {@link lateDoor} */
  static async start(options: { readonly lateWorker?: boolean } = {}): Promise<LabRun> {
    const before = await lab(['status', '--json']);
    const hosts = JSON.parse(before.stdout || '[]') as { name: string }[];
    if (hosts.length > 0) {
      throw new Error('the lab is in use: end what uses it (script/demo --down, or lab down) and run the test again');
    }
    const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-lab-test-'));
    const port = await freePort();
    const run = new LabRun(directory, port, {
      ...process.env,
      HA_KUBERNETES_HOME: join(directory, 'home'),
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
    });
    try {
      await must(lab(['up']));
      await run.startTemporal();
      if (options.lateWorker === true) run.workersDoor = await lateDoor(port);
      await run.startWorker();
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  get workerLog(): string {
    return join(this.directory, 'worker.log');
  }

  get address(): string {
    return this.environment['TEMPORAL_ADDRESS'] ?? '';
  }

  get home(): string {
    return this.environment['HA_KUBERNETES_HOME'] ?? '';
  }

  /** Writes a cluster file for the lab's hosts and a version, and returns its path. */
  async clusterFile(kubernetes: string, ...options: string[]): Promise<string> {
    const mirror = mirrorOf(kubernetes);
    await access(join(mirror, 'artifacts.lock.yaml'), constants.R_OK).catch(() => {
      throw new Error(
        `there is no artifact mirror in ${mirror}: fill it with "lab mirror --kubernetes ${kubernetes}" (script/test fills those that tests need)`,
      );
    });
    const { stdout } = await must(lab(['cluster-file', '--kubernetes', kubernetes, '--mirror', mirror, ...options]));
    const path = join(this.directory, 'cluster.yaml');
    await writeFile(path, stdout);
    return path;
  }

  startWorkflow(...args: string[]): Promise<Outcome> {
    return this.client(...args).outcome;
  }

  /** Runs conformance tests against the cluster, which is called lab. */
  conformance(...args: string[]): Promise<Outcome> {
    const kubeconfig = join(this.home, 'clusters', 'lab', 'kubeconfig');
    const options = ['run', '--kubeconfig', kubeconfig, ...args];
    return node('lab/conformance/main.js', options, this.environment, { cancelSignal: this.closing.signal });
  }

  approveCsr(...args: string[]): Promise<Outcome> {
    return node('client/approve-csr.js', args, this.environment, { cancelSignal: this.closing.signal });
  }

  /** Waits for the request of a node, and approves the one that was shown. */
  async approveNode(name: string, waitSeconds: number, ...args: string[]): Promise<Outcome> {
    const shown = await this.approveCsr('show', name, '--cluster', 'lab', '--wait', `${waitSeconds}`, '--json');
    if (shown.exitCode !== 0) return shown;
    const { csrSha256 } = JSON.parse(shown.stdout) as { csrSha256: string };
    return this.approveCsr('approve', name, csrSha256, '--cluster', 'lab', ...args);
  }

  /** Starts start-workflow, which can be killed. */
  client(...args: string[]): Client {
    const killer = new AbortController();
    return {
      outcome: node('client/start-workflow.js', args, this.environment, {
        cancelSignal: AbortSignal.any([this.closing.signal, killer.signal]),
      }),
      kill: () => killer.abort(),
    };
  }

  /** Runs a command on a host, past the deployer. */
  async onHost(name: string, command: string): Promise<string> {
    return (await must(lab(['ssh', name, '--', command]))).stdout;
  }

  /**
   * Runs a command on a master in which `kubectl` asks the master's own API server as the operator. No host has a
   * kubeconfig for people: the operator's is there, in memory, as long as the command runs.
   */
  async asOperator(master: string, command: string): Promise<string> {
    const kubeconfig = await readFile(join(this.home, 'clusters/lab/kubeconfig'), 'utf8');
    const script = [
      'umask 077; directory=$(mktemp -d -p /dev/shm); trap \'rm -rf "$directory"\' EXIT',
      'cat >"$directory/config"',
      'kubectl() { command kubectl --kubeconfig "$directory/config" --server https://127.0.0.1:6443 --cache-dir "$directory" "$@"; }',
      command,
    ].join('\n');
    return (await must(lab(['ssh', master, '--', script], kubeconfig))).stdout;
  }

  /** Asks Temporal, past the deployer's client. */
  async withTemporal<T>(use: (client: TemporalClient) => Promise<T>): Promise<T> {
    const connection = await Connection.connect({ address: this.address });
    try {
      return await use(new TemporalClient({ connection }));
    } finally {
      await connection.close();
    }
  }

  /** Tells every line of every worker from now on, at once. */
  onWorkerLine(listener: (line: LogLine) => void): void {
    this.listeners.push(listener);
  }

  /** Waits for a line of a worker. */
  untilWorkerSays(wanted: (line: LogLine) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.onWorkerLine((line) => {
        if (wanted(line)) resolve();
      });
    });
  }

  /** Writes the distinct command lines that a host sees from now on into a file, for the given time. */
  watchCommandLines(name: string, seconds: number): string {
    const path = join(this.directory, `commands-${name}.log`);
    const watcher = spawn(process.execPath, [join(root, 'lab/lab.js'), 'ssh', name, '--', commandLines(seconds)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    watcher.stdout.pipe(createWriteStream(path));
    this.processes.add(watcher);
    return path;
  }

  /** Starts a worker beside the first one, until it is stopped by {@link stopSecondWorker}. */
  async startSecondWorker(): Promise<void> {
    this.secondWorker = this.spawn('worker-2', workerProgram, []);
    await untilReady(this.secondWorker);
  }

  /** Stops the second worker as an operator does, and returns its log. */
  async stopSecondWorker(): Promise<string> {
    if (this.secondWorker !== undefined) await end(this.secondWorker.child);
    return readFile(join(this.directory, 'worker-2.log'), 'utf8');
  }

  /** Starts the worker, with another state store if one is named. */
  async startWorker(home?: string): Promise<void> {
    if (home !== undefined) this.environment['HA_KUBERNETES_HOME'] = home;
    this.worker = this.spawn(
      'worker',
      workerProgram,
      [],
      this.workersDoor === undefined ? {} : { TEMPORAL_ADDRESS: `127.0.0.1:${this.workersDoor.port}` },
    );
    this.worker.lines.on('line', (text) => {
      const line = parseLine(text);
      for (const listener of this.listeners) listener(line);
    });
    await untilReady(this.worker);
    const { stdout } = await must(lab(['power-programs']));
    await writeFile(join(this.home, 'power-programs.yaml'), stdout, { mode: 0o600 });
  }

  /** Stops the worker as an operator does, and returns its exit code; null if it had to be killed. */
  async stopWorker(): Promise<number | null> {
    if (this.worker === undefined) return null;
    await end(this.worker.child);
    return this.worker.child.exitCode;
  }

  /** Ends the worker with SIGKILL, at once. */
  async killWorker(): Promise<void> {
    if (this.worker !== undefined) await kill(this.worker.child);
  }

  /** Starts Temporal's development server, on the database that it has, and waits until it answers. */
  async startTemporal(): Promise<void> {
    const program = await temporalCli();
    this.temporal = this.spawn('temporal', program, [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(this.port), '--headless', '--log-level', 'warn'],
      ...['--db-filename', join(this.directory, 'temporal.db')],
    ]);
    const deadline = Date.now() + 60_000;
    while (
      (await execa(program, ['operator', 'cluster', 'health', '--address', this.address], { reject: false }))
        .exitCode !== 0
    ) {
      if (Date.now() > deadline) throw new Error(`Temporal did not start; see ${this.directory}/temporal.log`);
      await delay(500);
    }
  }

  /** Ends Temporal's server with SIGKILL, at once. */
  async killTemporal(): Promise<void> {
    if (this.temporal !== undefined) await kill(this.temporal.child);
  }

  async readLog(): Promise<string> {
    return readFile(this.workerLog, 'utf8');
  }

  /** Largest resident set of the worker so far, in MiB. */
  async workerPeakMiB(): Promise<number> {
    const status = await readFile(`${this.workerProc()}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  /** Number of sockets that the worker has open. */
  async workerSockets(): Promise<number> {
    const directory = `${this.workerProc()}/fd`;
    const open = await readdir(directory);
    const targets = await Promise.all(open.map((fd) => readlink(join(directory, fd)).catch(() => '')));
    return targets.filter((target) => target.startsWith('socket:')).length;
  }

  private workerProc(): string {
    return `/proc/${this.worker?.child.pid ?? 0}`;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.processes].map(end));
    this.workersDoor?.close();
    const down = await lab(['down']);
    await rm(this.directory, { recursive: true, force: true });
    if (down.exitCode !== 0) throw new Error(`lab down failed: ${down.stderr}`);
  }

  private spawn(name: string, program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Spawned {
    const env = { ...this.environment, ...environment };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.directory, `${name}.log`), { flags: 'a' });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    this.processes.add(child);
    child.once('exit', () => this.processes.delete(child));
    return { child, lines: createInterface({ input: child.stdout }) };
  }
}

async function untilReady({ child, lines }: Spawned): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (): void => reject(new Error(`the worker ${child.pid ?? ''} did not become ready; see its log`));
    const timer = setTimeout(fail, 60_000);
    child.once('exit', fail);
    lines.on('line', (text) => {
      if (parseLine(text).msg !== 'the worker is ready') return;
      clearTimeout(timer);
      child.off('exit', fail);
      resolve();
    });
  });
}

/** Runs the lab's program. */
export function lab(args: readonly string[], input?: string): Promise<Outcome> {
  return node('lab/lab.js', args, process.env, { input });
}

async function node(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { input, cancelSignal }: { readonly input?: string | undefined; readonly cancelSignal?: AbortSignal } = {},
): Promise<Outcome> {
  const { exitCode, stdout, stderr, timedOut } = await execa(process.execPath, [join(root, program), ...args], {
    env,
    reject: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    timeout: CLIENT_SECONDS * 1000,
    killSignal: 'SIGKILL',
    ...(cancelSignal === undefined ? {} : { cancelSignal }),
  });
  return { exitCode: exitCode ?? -1, stdout, stderr: timedOut ? `${stderr}\nended after ${CLIENT_SECONDS} s` : stderr };
}

/** The outcome, if it is a success. */
export async function must(outcome: Promise<Outcome>): Promise<Outcome> {
  const done = await outcome;
  if (done.exitCode !== 0) throw new Error(done.stderr || done.stdout);
  return done;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
  await gone;
  clearTimeout(timer);
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** A line that is not the log's own, such as a crash, is a message too. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { msg: text };
  }
}

async function temporalCli(): Promise<string> {
  const candidates = [
    process.env['TEMPORAL_CLI_PATH'],
    ...(process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'temporal')),
    join(cache, 'temporal', 'bin', 'temporal'),
  ];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    const usable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return candidate;
  }
  throw new Error("Temporal's CLI was not found: run script/setup, or set TEMPORAL_CLI_PATH");
}
