import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lab, must, type LabRun } from './harness.js';

/** Every host goes off and comes back, as after a cut of power to the whole room. */

const READY_DEADLINE_MS = 240_000;

const nodesByBoot =
  'kubectl get nodes -o jsonpath=\'{range .items[*]}{.metadata.name} {.status.nodeInfo.bootID} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}\'';

/** Boot ids of the nodes that are Ready, by name. */
async function readyNodes(run: LabRun): Promise<Map<string, string>> {
  const lines = (await run.asOperator('master01', nodesByBoot)).split('\n').map((line) => line.split(' '));
  return new Map(lines.flatMap(([name = '', boot = '', ready]) => (ready === 'True' ? [[name, boot] as const] : [])));
}

/**
 * What a reboot brings in the field: cloud-init writes /etc/hosts anew from a template (manage_etc_hosts), an
 * administrator's /etc/sysctl.conf says otherwise than the cluster, and the host is told another name.
 */
const surroundings = (host: string): string =>
  [
    `printf '127.0.1.1 ${host}\\n127.0.0.1 localhost\\n10.0.0.9 kubernetes-api.mykernel.cn\\n' >/etc/hosts`,
    "printf 'vm.overcommit_memory = 0\\nnet.ipv4.ip_forward = 0\\n' >>/etc/sysctl.conf",
    'ln -sf ../sysctl.conf /etc/sysctl.d/99-sysctl.conf',
    'echo cloud-name >/etc/hostname',
  ].join(' && ');

/** Registers the tests, after a deployment of these hosts. */
export function everyHostReboots(running: () => LabRun, hosts: readonly string[], nodes: readonly string[]): void {
  test(
    'every host reboots at once, with another /etc/hosts, sysctl.conf and host name, and every node is Ready again by itself',
    { timeout: 700_000 },
    async (t) => {
      const run = running();
      const before = await readyNodes(run);
      assert.deepEqual([...before.keys()].sort(), [...nodes].sort());
      await Promise.all(hosts.map((host) => run.onHost(host, surroundings(host))));
      await must(lab(['power', 'off', ...hosts]));
      await must(lab(['power', 'on', ...hosts]));
      const began = Date.now();
      let back: string[] = [];
      while (back.length < nodes.length) {
        assert.ok(Date.now() - began < READY_DEADLINE_MS, `Ready again: ${back.join(', ') || 'no node'}`);
        await delay(2_000);
        // The API servers are not there at first.
        const now = await readyNodes(run).catch(() => new Map<string, string>());
        back = nodes.filter((node) => now.has(node) && now.get(node) !== before.get(node));
      }
      t.diagnostic(`every node was Ready again after ${((Date.now() - began) / 1000).toFixed(0)} s`);
      for (const node of nodes) assert.equal(await run.onHost(node, 'sysctl -n net.ipv4.ip_forward'), '1', node);
    },
  );

  test('what a reboot changed is planned exactly, and is no more than names', { timeout: 400_000 }, async () => {
    const run = running();
    const file = join(run.directory, 'cluster.yaml');
    const planned = async (): Promise<string[]> => {
      const { stdout } = await must(run.startWorkflow('plan', '-f', file, '--json'));
      const plans = JSON.parse(stdout) as { host: string; changes: { what: string }[] }[];
      return plans.flatMap(({ host, changes }) => changes.map(({ what }) => `${host} ${what}`)).sort();
    };
    assert.deepEqual(await planned(), hosts.flatMap((host) => [`${host} /etc/hostname`, `${host} /etc/hosts`]).sort());
    await must(run.startWorkflow('deploy-ha', '-f', file));
    assert.deepEqual(await planned(), []);
  });
}
