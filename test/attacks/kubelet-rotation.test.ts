import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import type { ClusterContext } from '../../activities/cluster-context.js';
import { ensureRotation } from '../../activities/kubelet-identity.js';
import { kubeletState, ROTATION_OFF } from '../../cluster/components/kubelet.js';
import { hostByName } from '../../cluster/topology.js';
import { spec } from '../cluster/preflight/reports.js';
import { KubeletHost } from '../support/kubelet-host.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A kubelet joins without rotation, which keeps the key of its request on disk, and rotates once it is a member. */

const facts = {
  distribution: 'debian-12',
  machine: 'x86_64',
  resolvConf: '',
  ipvs: false,
  nftables: true,
  cgroup: 'v2',
} as const;

test('the unit turns rotation off for exactly as long as the kubelet has no kubeconfig', async (t) => {
  const { files } = kubeletState(spec, hostByName(spec, 'node01'), facts);
  const content = files.find(({ path }) => path.endsWith('kubelet.service'))?.content;
  const unit = content?.kind === 'text' ? content.text : '';
  assert.match(unit, /--rotate-certificates=\$\{ROTATE_CERTIFICATES\}/);
  assert.match(unit, /^Environment=ROTATE_CERTIFICATES=true$/m);
  const [, environment = ''] = /^EnvironmentFile=-(.*)$/m.exec(unit) ?? [];
  const [, script = ''] = /^ExecStartPre=\/bin\/sh -c '(.*)'$/m.exec(unit) ?? [];
  assert.doesNotMatch(script, /[%$]/, 'systemd would expand it');
  const root = await temporaryDirectory(t);
  const here = (text: string): string => text.replaceAll(/\/(etc|run)\//g, `${root}/$1/`);
  await mkdir(dirname(here(environment)), { recursive: true });
  await execa('sh', ['-c', here(script)]);
  assert.equal(await readFile(here(environment), 'utf8'), 'ROTATE_CERTIFICATES=false\n');
  // systemd makes the directory anew at each start.
  await execa('rm', [here(environment)]);
  await mkdir(join(root, 'etc/kubernetes'), { recursive: true });
  await writeFile(join(root, 'etc/kubernetes/kubelet.conf'), 'apiVersion: v1\n');
  await execa('sh', ['-c', here(script)]);
  await assert.rejects(access(here(environment)));
});

test('a member that still runs without rotation is restarted, and one that rotates is not', async (t) => {
  for (const [flag, restarted] of [
    [ROTATION_OFF, true],
    ['--rotate-certificates=true', false],
  ] as const) {
    const kubelet = spawn('sh', ['-c', 'echo; read line', 'kubelet', flag], { stdio: ['pipe', 'pipe', 'ignore'] });
    t.after(() => kubelet.kill());
    await once(kubelet.stdout, 'data');
    const host = await KubeletHost.create(t, `echo ${kubelet.pid}`);
    const context = { host: (name: string) => host.remote(name) } as unknown as ClusterContext;
    assert.equal(await ensureRotation(context, 'node01', new AbortController().signal), restarted);
    assert.equal((await host.systemctlCalls()).includes('restart kubelet.service'), restarted);
  }
});
