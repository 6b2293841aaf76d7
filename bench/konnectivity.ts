/**
 * Measures the way from API servers to pods on the lab's running demo: latency, a dead agent, a dead node, and each
 * master without power in turn.
 *
 *   node dist/bench/konnectivity.js CLUSTER-FILE KUBECONFIG [--quick]
 *
 * Prints Markdown; bench/konnectivity.md is such a run. `--quick` leaves hosts alone and measures latency only.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { parse } from 'yaml';
import { probes } from '../activities/checks/api-server-reach.js';
import { withApplication, type RunningApplication } from '../activities/checks/running-application.js';
import { lockOf } from '../activities/artifacts/artifact-lock.js';
import { KubernetesApi } from '../activities/kubernetes/kubernetes-api.js';
import type { ClusterSpec } from '../cluster/spec.js';
import { validateSpec } from '../cluster/spec/validate.js';
import { apiServerUrl, hostsWithRole } from '../cluster/topology.js';

const LATENCY_SAMPLES = 40;
const RECOVERY_DEADLINE_MS = 180_000;
/** An API server and the way behind it count as working again after this long without a failure. */
const STEADY_MS = 5_000;

const lab = fileURLToPath(new URL('../lab/lab.js', import.meta.url));

type Probes = Readonly<Record<string, () => Promise<string | undefined>>>;

async function main(): Promise<void> {
  const [clusterFile = '', kubeconfigFile = '', option] = process.argv.slice(2);
  const validated = validateSpec(parse(await readFile(clusterFile, 'utf8')));
  if ('problems' in validated) throw new Error(`${clusterFile} is not valid`);
  const { spec } = validated;
  const kubeconfig = await readFile(kubeconfigFile, 'utf8');
  const kubernetes = new KubernetesApi(
    hostsWithRole(spec, 'control-plane').map((host) => ({
      name: host.name,
      kubeconfig: () => Promise.resolve(kubeconfig.replace(/server: .*/, `server: ${apiServerUrl(host)}`)),
    })),
  );
  await withApplication(
    { lock: await lockOf(spec) },
    kubernetes,
    { signal: AbortSignal.timeout(3600_000) },
    async (running) => {
      await latency(spec, kubernetes, running);
      if (option === '--quick') return;
      await memory(spec);
      await deadAgent(spec, kubernetes, running);
      await deadMasters(spec, kubernetes, running);
      await deadNode(spec, kubernetes, running);
    },
  );
}

function mastersOf(spec: ClusterSpec): string[] {
  return hostsWithRole(spec, 'control-plane').map(({ name }) => name);
}

/** What is asked of one API server; the read of its own needs no pod and is what the others are compared with. */
function probesOf(kubernetes: KubernetesApi, master: string, running: RunningApplication): Probes {
  const server = kubernetes.only(master);
  return {
    read: () =>
      server.read({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } }).then(() => undefined),
    ...probes(server, running),
  };
}

async function latency(spec: ClusterSpec, kubernetes: KubernetesApi, running: RunningApplication): Promise<void> {
  say('## Latency', '', '| asked | median ms | p95 ms | n |', '| --- | ---: | ---: | ---: |');
  const samples = new Map<string, number[]>();
  for (const master of mastersOf(spec)) {
    const asked = probesOf(kubernetes, master, running);
    await Promise.all(Object.values(asked).map((ask) => settled(ask)));
    for (let round = 0; round < LATENCY_SAMPLES; round++) {
      for (const [name, ask] of Object.entries(asked)) {
        const begin = performance.now();
        if (await settled(ask)) samples.set(name, [...(samples.get(name) ?? []), performance.now() - begin]);
      }
    }
  }
  for (const [name, times] of samples) {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): string => (sorted[Math.floor(part * (sorted.length - 1))] ?? NaN).toFixed(1);
    say(`| ${name} | ${at(0.5)} | ${at(0.95)} | ${sorted.length} |`);
  }
}

async function memory(spec: ClusterSpec): Promise<void> {
  say('', '## Memory', '', '| host | program | RSS MiB |', '| --- | --- | ---: |');
  for (const { name, roles } of spec.hosts) {
    const program = roles.includes('node') ? 'konnectivity-agent' : 'konnectivity-server';
    const { stdout } = await onHost(name, `ps -o rss= -p $(systemctl show --value -p MainPID ${program})`);
    say(`| ${name} | ${program} | ${(Number(stdout) / 1024).toFixed(0)} |`);
  }
}

/** The agent of the first node is killed; the others serve, and it comes back. */
async function deadAgent(spec: ClusterSpec, kubernetes: KubernetesApi, running: RunningApplication): Promise<void> {
  const [node = ''] = running.nodes;
  say('', `## Agent of ${node} killed`, '');
  await disturbed(kubernetes, running, mastersOf(spec), () =>
    onHost(node, 'systemctl kill -s KILL konnectivity-agent'),
  );
}

async function deadMasters(spec: ClusterSpec, kubernetes: KubernetesApi, running: RunningApplication): Promise<void> {
  for (const victim of mastersOf(spec)) {
    const others = mastersOf(spec).filter((name) => name !== victim);
    say('', `## ${victim} without power`, '');
    await disturbed(kubernetes, running, others, () => execa('node', [lab, 'power', 'kill', victim]));
    await execa('node', [lab, 'power', 'on', victim]);
    const back = Date.now();
    const asked = probesOf(kubernetes, victim, running);
    await until(asked);
    say(
      '',
      `${victim} itself reached pods again ${((Date.now() - back) / 1000).toFixed(1)} s after its power was back.`,
    );
  }
}

/** A node without a pod of the application loses power: only its agent is missed. */
async function deadNode(spec: ClusterSpec, kubernetes: KubernetesApi, running: RunningApplication): Promise<void> {
  const victim = running.nodes.find((name) => !running.pods.some(({ node }) => node === name));
  if (victim === undefined) return;
  say('', `## ${victim}, which has no pod of the application, without power`, '');
  await disturbed(kubernetes, running, mastersOf(spec), () => execa('node', [lab, 'power', 'kill', victim]));
  await execa('node', [lab, 'power', 'on', victim]);
}

/** Asks every 100 ms through each of `masters` from before a fault until all is steady again. */
async function disturbed(
  kubernetes: KubernetesApi,
  running: RunningApplication,
  masters: readonly string[],
  fault: () => Promise<unknown>,
): Promise<void> {
  const begin = Date.now();
  const watches = masters.flatMap((master) =>
    Object.entries(probesOf(kubernetes, master, running)).map(([name, ask]) => watch(master, name, ask, begin + 1000)),
  );
  await delay(1000);
  await fault();
  const seen = await Promise.all(watches);
  say(
    '| through | asked | failed of | last failure after s | longest answer s |',
    '| --- | --- | ---: | ---: | ---: |',
  );
  for (const { master, name, failed, asked, last, longest } of seen) {
    say(
      `| ${master} | ${name} | ${failed} of ${asked} | ${failed === 0 ? '-' : (last / 1000).toFixed(1)} | ${(longest / 1000).toFixed(1)} |`,
    );
  }
}

interface Watched {
  readonly master: string;
  readonly name: string;
  readonly asked: number;
  readonly failed: number;
  /** Milliseconds from the fault. */
  readonly last: number;
  readonly longest: number;
}

async function watch(
  master: string,
  name: string,
  ask: () => Promise<string | undefined>,
  fault: number,
): Promise<Watched> {
  let [asked, failed, last, longest] = [0, 0, 0, 0];
  const end = fault + RECOVERY_DEADLINE_MS;
  // At least half a minute is watched, for a connection to nowhere is noticed late.
  while (Date.now() < end && Date.now() < Math.max(fault + 30_000, fault + last + STEADY_MS)) {
    const begin = Date.now();
    asked += 1;
    const ok = await settled(ask);
    longest = Math.max(longest, Date.now() - begin);
    if (!ok) {
      failed += 1;
      last = Date.now() - fault;
    }
    await delay(100);
  }
  return { master, name, asked, failed, last, longest };
}

async function until(asked: Probes): Promise<void> {
  const end = Date.now() + RECOVERY_DEADLINE_MS;
  for (;;) {
    const answers = await Promise.all(Object.values(asked).map((ask) => settled(ask)));
    if (answers.every(Boolean)) return;
    if (Date.now() > end) throw new Error('a master did not come back');
    await delay(200);
  }
}

/** Whether it succeeded. */
async function settled(ask: () => Promise<string | undefined>): Promise<boolean> {
  return ask().then(
    (problem) => problem === undefined,
    () => false,
  );
}

async function onHost(host: string, command: string): Promise<{ stdout: string }> {
  return execa('node', [lab, 'ssh', host, command]);
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

await main();
