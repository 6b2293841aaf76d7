import { type ChildProcess, spawn } from 'node:child_process';
import { constants, createWriteStream } from 'node:fs';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache =
  process.env['HA_KUBERNETES_CACHE'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ha-kubernetes');

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Real hosts, a real Temporal server and a real worker process, each this test's own; everything is gone after
 * {@link close}, however the test ended.
 */
export class LabRun {
  private readonly processes: ChildProcess[] = [];
  private worker: ChildProcess | undefined;
  private readonly closing = new AbortController();

  private constructor(
    readonly directory: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  static async start(): Promise<LabRun> {
    const before = await lab(['status', '--json']);
    const hosts = JSON.parse(before.stdout || '[]') as { name: string }[];
    if (hosts.length > 0) {
      throw new Error('the lab is in use: end what uses it (script/demo --down, or lab down) and run the test again');
    }
    const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-lab-test-'));
    const port = await freePort();
    const run = new LabRun(directory, {
      ...process.env,
      HA_KUBERNETES_HOME: join(directory, 'home'),
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
    });
    try {
      await must(lab(['up']));
      await run.startTemporal(port);
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

  /** Writes a cluster file for the lab's hosts and returns its path. */
  async clusterFile(...options: string[]): Promise<string> {
    const mirror = join(cache, 'mirror', 'v1.20.2');
    await access(join(mirror, 'artifacts.lock.yaml'), constants.R_OK).catch(() => {
      throw new Error(`there is no artifact mirror in ${mirror}: fill it with "lab mirror" (script/test does)`);
    });
    const { stdout } = await must(lab(['cluster-file', '--mirror', mirror, ...options]));
    const path = join(this.directory, 'cluster.yaml');
    await writeFile(path, stdout);
    return path;
  }

  startWorkflow(...args: string[]): Promise<Outcome> {
    return node('client/start-workflow.js', args, this.environment, this.closing.signal);
  }

  approveCsr(...args: string[]): Promise<Outcome> {
    return node('client/approve-csr.js', args, this.environment, this.closing.signal);
  }

  /** Runs a command on a host, past the deployer. */
  async onHost(name: string, command: string): Promise<string> {
    return (await must(lab(['ssh', name, '--', command]))).stdout;
  }

  /** Starts the worker, with another state store if one is named. */
  async startWorker(home?: string): Promise<void> {
    if (home !== undefined) this.environment['HA_KUBERNETES_HOME'] = home;
    this.worker = this.spawn('worker', join(root, '..', 'script', 'worker'), []);
    await this.untilLogged(this.workerLog, 'the worker is ready');
  }

  async stopWorker(): Promise<void> {
    if (this.worker !== undefined) await end(this.worker);
  }

  async readLog(): Promise<string> {
    return readFile(this.workerLog, 'utf8');
  }

  /** Largest resident set of the worker so far, in MiB. */
  async workerPeakMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.worker?.pid ?? 0}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.processes.map(end));
    const down = await lab(['down']);
    await rm(this.directory, { recursive: true, force: true });
    if (down.exitCode !== 0) throw new Error(`lab down failed: ${down.stderr}`);
  }

  private async startTemporal(port: number): Promise<void> {
    const program = await temporalCli();
    this.spawn('temporal', program, [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--headless', '--log-level', 'warn'],
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

  private spawn(name: string, program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.directory, `${name}.log`), { flags: 'a' });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    this.processes.push(child);
    return child;
  }

  private async untilLogged(path: string, text: string): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!(await readFile(path, 'utf8').catch(() => '')).includes(text)) {
      if (Date.now() > deadline) throw new Error(`"${text}" did not come in ${path}`);
      await delay(250);
    }
  }
}

function lab(args: readonly string[]): Promise<Outcome> {
  return node('lab/lab.js', args, process.env);
}

async function node(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cancelSignal?: AbortSignal,
): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [join(root, program), ...args], {
    env,
    reject: false,
    stdin: 'ignore',
    timeout: 600_000,
    ...(cancelSignal === undefined ? {} : { cancelSignal }),
  });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}

async function must(outcome: Promise<Outcome>): Promise<Outcome> {
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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
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
