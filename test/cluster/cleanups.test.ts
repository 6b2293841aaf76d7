import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { endPods, removeLinks, removeRules, unmountBelow } from '../../cluster/components/cleanups.js';
import { containerRuntimeState } from '../../cluster/components/container-runtime.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { lockFor, seedDocument, specOf } from './documents.js';

/** Runs a command among programs of a test's own; nothing of this machine is looked at or touched. */
async function runAmong(t: TestContext, programs: Record<string, string>, command: string): Promise<string[]> {
  const directory = await temporaryDirectory(t);
  const log = join(directory, 'log');
  await writeFile(log, '');
  for (const [name, body] of Object.entries(programs)) {
    await writeFile(join(directory, name), `#!/bin/sh\nlog=${log}\n${body}\n`);
    await chmod(join(directory, name), 0o755);
  }
  for (const name of ['sed', 'grep', 'tac']) {
    await writeFile(join(directory, name), `#!/bin/sh\nexec /usr/bin/env -i PATH=/usr/bin:/bin ${name} "$@"\n`);
    await chmod(join(directory, name), 0o755);
  }
  const { status, stderr } = spawnSync('/bin/sh', ['-c', command], { env: { PATH: directory }, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return (await readFile(log, 'utf8')).split('\n').slice(0, -1);
}

test('every cleanup is a command that a POSIX shell can read', () => {
  for (const command of [endPods, unmountBelow('/run/containerd'), removeLinks('10.244.0.0/16'), removeRules]) {
    const { status, stderr } = spawnSync('/bin/sh', ['-n', '-c', command], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
});

test('mounts below the given paths go, the last one first, and no others', async (t) => {
  const mounts = String.raw`/run/containerd
/run/containerd/io/rootfs
/run/containerd/io/a\040b
/run/containerd-other/x
/var/lib/kubelet/pods/x`;
  const unmounted = await runAmong(
    t,
    { awk: `cat <<'END'\n${mounts}\nEND`, cat: 'exec /bin/cat', umount: 'printf "%s\\n" "$*" >>$log' },
    unmountBelow('/run/containerd'),
  );
  assert.deepEqual(unmounted, ['/run/containerd/io/a b', '/run/containerd/io/rootfs']);
});

test("a destroy unmounts what belongs to pods, and nothing of docker's or nerdctl's containers", async (t) => {
  const task = '/run/containerd/io.containerd.runtime.v2.task';
  const pods = [`${task}/k8s.io/1/rootfs`, '/run/containerd/io.containerd.grpc.v1.cri/sandboxes/2/shm'];
  const others = [
    `${task}/moby/3/rootfs`,
    `${task}/default/4/rootfs`,
    `${task}/k8s.io-other/5/rootfs`,
    '/var/lib/containerd/io.containerd.snapshotter.v1.devmapper/6',
    '/var/lib/containerd',
    '/var/lib/docker/overlay2/7/merged',
    '/run/docker/netns/8',
    '/run/netns/site',
    '/var/lib/nerdctl/9',
  ];
  const unmounted: string[] = [];
  for (const { command } of containerRuntimeState(specOf(seedDocument()), lockFor('v1.20.2')).traces.cleanups.filter(
    ({ title }) => title.startsWith('unmount'),
  )) {
    unmounted.push(
      ...(await runAmong(
        t,
        {
          awk: `cat <<'END'\n${[...others, ...pods].join('\n')}\nEND`,
          cat: 'exec /bin/cat',
          umount: 'printf "%s\\n" "$*" >>$log',
        },
        command,
      )),
    );
  }
  assert.deepEqual(unmounted.sort(), [...pods].sort());
});

const save = (...lines: string[]): string => `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}`;

test("rules of Services go, and a table that has anybody else's keeps it", async (t) => {
  const lines = [
    '*filter',
    ':INPUT DROP [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ':CNI-ADMIN - [0:0]',
    '-A INPUT -j KUBE-SERVICES',
    '-A INPUT -p tcp --dport 22 -j ACCEPT',
    '-A KUBE-SERVICES -j RETURN',
    'COMMIT',
  ];
  const log = await runAmong(
    t,
    { 'iptables-nft-save': save(...lines), 'iptables-nft-restore': '/bin/cat >>$log', 'iptables-nft': 'exit 1' },
    removeRules,
  );
  assert.deepEqual(log, ['*filter', ':INPUT DROP [0:0]', '-A INPUT -p tcp --dport 22 -j ACCEPT', 'COMMIT']);
});

test('a table in which nobody else has anything loses its chains', async (t) => {
  const lines = ['*nat', ':POSTROUTING ACCEPT [0:0]', ':KUBE-MARK - [0:0]', '-A POSTROUTING -j KUBE-MARK', 'COMMIT'];
  const log = await runAmong(
    t,
    { 'iptables-nft-save': save(...lines), 'iptables-nft': 'echo "$*" >>$log', 'iptables-nft-restore': 'exit 1' },
    removeRules,
  );
  assert.deepEqual(log, ['-t nat -F', '-t nat -X']);
});

test('links of the pod network go, those of pods with them, and the routes that flannel made', async (t) => {
  const ip = [
    'case "$*" in',
    "  '-o link show master cni0') echo '7: veth1@if2: <UP> mtu' ;;",
    "  'link show kube-ipvs0') exit 1 ;;",
    "  'link show '*) ;;",
    '  *) echo "$*" >>$log ;;',
    'esac',
  ].join('\n');
  assert.deepEqual(await runAmong(t, { ip }, removeLinks('10.244.0.0/16')), [
    'link delete veth1',
    'link delete cni0',
    'link delete flannel.1',
    'route flush root 10.244.0.0/16',
  ]);
});
