import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ClusterContexts } from '../../activities/cluster-context.js';
import { drillActivities } from '../../activities/failover-drill.js';
import { openStateStore } from '../../activities/state-store/file-state-store.js';
import { readSpec } from '../../client/spec-file.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Has a cluster file of somebody switch its first host on, on a worker that allows some programs or none. */
async function switchOn(t: TestContext, command: string[], allowed?: string): Promise<string> {
  const home = await temporaryDirectory(t);
  const store = await openStateStore({ HA_KUBERNETES_HOME: home });
  if (allowed !== undefined) await writeFile(join(home, 'power-programs.yaml'), allowed, { mode: 0o600 });
  const spec = await readSpec('examples/seed.yaml');
  const [first, ...others] = spec.hosts;
  assert.ok(first);
  const snapshot = { ...spec, hosts: [{ ...first, power: { on: command } }, ...others] };
  const specDigest = await (await store.cluster(spec.name)).putSpec(snapshot);
  const cache = await ArtifactCache.open(store.artifactsDirectory);
  const log = pino({ level: 'silent' });
  const contexts = new ClusterContexts(store, cache, log);
  const { powerOn } = drillActivities({ store, cache, contexts, log });
  const reference = { cluster: spec.name, specDigest };
  try {
    const result = await new MockActivityEnvironment().run(powerOn, reference, first.name);
    return (result as { note: string }).note;
  } catch (error) {
    return (error as Error).message;
  }
}

test('a program that the worker does not list is not run', async (t) => {
  const evidence = join(await temporaryDirectory(t), 'evidence');
  const command = ['/bin/sh', '-c', `touch ${evidence}`];
  for (const allowed of [undefined, '[]', '- [/usr/bin/ipmitool]', '- [/bin/sh, /opt/power-on]', '- [/bin]']) {
    assert.match(await switchOn(t, command, allowed), /none of the \d commands that this worker may run/);
  }
  for (const allowed of ['- [sh]', '- []', 'sh', '- /bin/sh', '- [/bin/sh', '[[/bin/sh, *a]]']) {
    assert.match(await switchOn(t, command, allowed), /power-programs.yaml cannot be used/);
  }
  await assert.rejects(readFile(evidence), { code: 'ENOENT' });
});

test('a program that is listed is run, and sees nothing of the environment of the worker', async (t) => {
  const evidence = join(await temporaryDirectory(t), 'evidence');
  process.env['SECRET_OF_THE_WORKER'] = 's3cret';
  const command = ['/bin/sh', '-c', `env > ${evidence}`];
  assert.match(await switchOn(t, command, '- [/usr/bin/ipmitool]\n- [/bin/sh, -c]\n'), /was run/);
  const names = (await readFile(evidence, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0]);
  assert.deepEqual(
    names.filter((name) => name !== 'PWD' && name !== '_' && name !== 'SHLVL'),
    ['PATH'],
  );
});
