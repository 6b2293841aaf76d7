import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { ClusterContexts } from '../../activities/cluster-context.js';
import { openStateStore, StateStoreError } from '../../activities/state-store/file-state-store.js';
import type { StateStore } from '../../activities/state-store/state-store.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { readSpec } from '../../client/spec-file.js';

async function filledStore(
  t: TestContext,
): Promise<{ home: string; store: StateStore; open: () => Promise<StateStore> }> {
  const home = join(await temporaryDirectory(t), "the operator's store");
  await mkdir(home, { mode: 0o700 });
  const open = (): Promise<StateStore> => openStateStore({ HA_KUBERNETES_HOME: home });
  const store = await open();
  const cluster = await store.cluster('demo');
  await cluster.pki.add('etcd-server/master01', { generation: 1, text: 'key' });
  await cluster.writeKubeconfig('kubeconfig');
  return { home, store, open };
}

const refusal = (opening: Promise<unknown>): Promise<Error> =>
  opening.then(
    () => assert.fail('it was opened'),
    (error: unknown) => {
      assert.ok(error instanceof StateStoreError, String(error));
      return error;
    },
  );

const places = [
  '',
  'clusters',
  'clusters/demo/pki',
  'clusters/demo/pki/etcd-server/master01/1.pem',
  'clusters/demo/kubeconfig',
];

for (const place of places) {
  test(`the state store is refused while others may use ${place || 'it'}, and the fix that is told mends it`, async (t) => {
    const { home, open } = await filledStore(t);
    const path = join(home, place);
    for (const bit of [0o040, 0o004, 0o010, 0o002]) {
      await chmod(path, ((await stat(path)).mode & 0o700) | bit);
      const { message } = await refusal(open());
      assert.ok(message.includes(path), message);
      execFileSync('sh', ['-c', /: run (chmod .*)$/.exec(message)?.[1] ?? '']);
      await open();
    }
  });

  test(`the state store is refused while ${place || 'it'} leads elsewhere`, async (t) => {
    const { home, open } = await filledStore(t);
    const path = join(home, place);
    await rename(path, `${home}.elsewhere`);
    await symlink(`${home}.elsewhere`, path);
    assert.match((await refusal(open())).message, /not to a link|neither file nor directory/);
  });

  test(`the state store is refused while ${place || 'it'} belongs to somebody else`, async (t) => {
    const { home, open } = await filledStore(t);
    // Who is not root cannot give files away: there it is the store of root that is looked at, whose mode says enough.
    if (process.getuid?.() !== 0) return;
    await chown(join(home, place), 65_534, 65_534);
    assert.match(
      (await refusal(open())).message,
      /belongs to user id 65534, but only the worker's user \(0\) may own it/,
    );
  });
}

test('a state store whose directory others can exchange is refused', async (t) => {
  const { home, open } = await filledStore(t);
  await chmod(join(home, '..'), 0o777);
  assert.match((await refusal(open())).message, /others can exchange what is in it; run: chmod go-w/);
});

test('names of clusters, secrets, reports and digests cannot lead out of the store', async (t) => {
  const { store } = await filledStore(t);
  const cluster = await store.cluster('demo');
  for (const name of ['..', '../x', '/etc', 'a/..', 'a/../b', '.', '', 'a\0', 'a\nb', 'A', '%2e%2e']) {
    await assert.rejects(store.cluster(name), StateStoreError);
    await assert.rejects(async () => cluster.pki.newest(name), RangeError);
    await assert.rejects(cluster.getSpec(name), StateStoreError);
    if (name !== 'A') await assert.rejects(cluster.writeReport(name, 'x'), StateStoreError);
  }
});

test('a snapshot of another cluster is not used under this name', async (t) => {
  const { store, home } = await filledStore(t);
  const spec = await readSpec('examples/seed.yaml');
  const specDigest = await (await store.cluster('demo')).putSpec(spec);
  const cache = await ArtifactCache.open(join(home, 'artifacts'));
  const contexts = new ClusterContexts(store, cache, pino({ level: 'silent' }));
  await assert.rejects(contexts.get({ cluster: 'demo', specDigest }), /describes cluster .*, not demo/);
});

test('a file that is planted between two looks is found by the next one', async (t) => {
  const { home, open } = await filledStore(t);
  await writeFile(join(home, 'clusters', 'demo', 'pki', 'planted'), 'x', { mode: 0o644 });
  assert.match((await refusal(open())).message, /planted' ?.*has mode 0644|planted has mode 0644/);
});
