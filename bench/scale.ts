/**
 * Deploys a cluster of many nodes with the workflows that ship, a real Temporal server and activities that only take
 * time, a tenth of what they take on hosts: shows what grows with the number of nodes.
 *
 *   node dist/bench/scale.js NODES... [--slots N]
 *
 * Prints Markdown; bench/scale.md is such a run. The Temporal server and the worker run on this machine.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { StatusReader } from '../client/run-status.js';
import type { ClusterSpec } from '../cluster/spec.js';
import { validateSpec } from '../cluster/spec/validate.js';
import { statusQuery } from '../workflows/messages.js';
import { mockActivities, requestOf } from '../test/workflows/mock-activities.js';
import { startStage } from '../test/workflows/stage.js';

/** Longest time for one size. */
const PATIENCE_MS = 30 * 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { slots: { type: 'string', default: '50' } },
});
const sizes = positionals.map(Number);
if (sizes.length === 0 || sizes.some((size) => !Number.isInteger(size) || size < 1 || size > 5000)) {
  process.stderr.write('usage: node dist/bench/scale.js NODES... [--slots N]; NODES from 1 to 5000\n');
  process.exit(2);
}

function specOf(nodes: number): ClusterSpec {
  const host = (name: string, index: number, roles: string[]): object => ({
    name,
    address: `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`,
    roles,
  });
  const result = validateSpec({
    name: 'wide',
    kubernetes: 'v1.37.1',
    domain: 'example.org',
    network: { pods: '10.128.0.0/11' },
    hosts: [
      ...[1, 2, 3].map((n) => host(`master${n}`, n, ['etcd', 'control-plane'])),
      ...Array.from({ length: nodes }, (_, n) => host(`node${n + 1}`, n + 10, ['node'])),
    ],
  });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems.slice(0, 3)));
  return result.spec;
}

/** Activities that take a tenth of the time that they take on hosts, and waits that wait. */
function activitiesOf(spec: ClusterSpec): ReturnType<typeof mockActivities> {
  const asked = new Map<string, number>();
  /** Seen at the third look. */
  const third = <T>(what: string, seen: T): Promise<T> => {
    asked.set(what, (asked.get(what) ?? 0) + 1);
    if ((asked.get(what) ?? 0) >= 3) return delay(20, seen);
    throw ApplicationFailure.create({ type: 'StillWaiting', message: `${what} is not there yet` });
  };
  const changing = { attempts: 1, changed: 1, note: '1 changed' };
  return mockActivities(
    {
      inspectHost: (_reference, host) =>
        delay(50, { host, problems: [], notes: ['fit'], clockOffsetMs: 0, attempts: 1 }),
      applyComponent: (_reference, _host, component) => delay(component.endsWith('binaries') ? 300 : 150, changing),
      issueBootstrapToken: () => delay(80, changing),
      awaitCertificateRequest: (_reference, node) =>
        third(`the request of ${node}`, { state: 'asks', request: requestOf(node), byInventory: true, attempts: 1 }),
      awaitNodeReady: (_reference, node) => third(node, { attempts: 1, changed: 0, note: 'Ready' }),
      revokeBootstrapToken: () => delay(30, changing),
    },
    spec,
  );
}

const stage = await startStage('local');
try {
  process.stdout.write(
    '| nodes | slots | end s | history events | history kB | result kB | status kB | slowest status ms | RSS MiB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n',
  );
  for (const size of sizes) {
    const spec = specOf(size);
    const slots = Number(values.slots);
    await stage.play(
      'deployHa',
      activitiesOf(spec),
      async ({ handle, cluster }) => {
        const began = performance.now();
        let slowest = 0;
        const ended = handle.result();
        const over = ended.then(() => true);
        while (!(await Promise.race([over, delay(2_000, false)]))) {
          const asked = performance.now();
          await handle.query(statusQuery);
          slowest = Math.max(slowest, performance.now() - asked);
        }
        const seconds = (performance.now() - began) / 1000;
        const result = JSON.stringify(await ended).length;
        const status = JSON.stringify(await handle.query(statusQuery)).length;
        const { historyLength, historySize = 0 } = await handle.describe();
        const { steps } = await new StatusReader(stage.env.client, cluster).read();
        if (steps.some(({ state }) => state !== 'done')) throw new Error('not every step is done');
        const kB = (bytes: number): string => (bytes / 1000).toFixed(0);
        process.stdout.write(
          `| ${size} | ${slots} | ${seconds.toFixed(0)} | ${historyLength} | ${kB(historySize)} | ${kB(result)} | ${kB(status)} | ${slowest.toFixed(0)} | ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} |\n`,
        );
      },
      {},
      { slots, patienceMs: PATIENCE_MS },
    );
  }
} finally {
  await stage.env.teardown();
}
