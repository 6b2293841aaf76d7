import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openStateStore, StateStoreError } from '../../activities/state-store/file-state-store.js';
import type { ClusterStore } from '../../activities/state-store/state-store.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

async function newCluster(t: TestContext): Promise<{ home: string; store: ClusterStore }> {
  const home = await temporaryDirectory(t);
  const state = await openStateStore({ HA_KUBERNETES_HOME: home });
  return { home, store: await state.cluster('seed') };
}

test('the store lies in HA_KUBERNETES_HOME, else under the XDG state directory, and is created 0700', async (t) => {
  const parent = await temporaryDirectory(t);
  await openStateStore({ HA_KUBERNETES_HOME: join(parent, 'explicit') });
  assert.equal(await modeOf(join(parent, 'explicit')), 0o700);
  await openStateStore({ XDG_STATE_HOME: join(parent, 'missing', 'state') });
  assert.equal(await modeOf(join(parent, 'missing', 'state', 'ha-kubernetes')), 0o700);
});

test('an explicit store whose parent is missing is refused: the share may not be mounted', async (t) => {
  const home = join(await temporaryDirectory(t), 'not-mounted', 'store');
  await assert.rejects(openStateStore({ HA_KUBERNETES_HOME: home }), (error: Error) => {
    assert.ok(error instanceof StateStoreError);
    assert.match(error.message, /cannot be written \(ENOENT\): create .*not-mounted \(or mount it\) first/);
    return true;
  });
});

test('a store that others can read is refused with the command that mends it', async (t) => {
  const home = await temporaryDirectory(t);
  for (const mode of [0o750, 0o701, 0o777]) {
    await chmod(home, mode);
    await assert.rejects(
      openStateStore({ HA_KUBERNETES_HOME: home }),
      new RegExp(`has mode 0${mode.toString(8)}, .*: run chmod 0700 '${home}'$`),
    );
  }
  await chmod(home, 0o700);
  await openStateStore({ HA_KUBERNETES_HOME: home });
});

test('a store that is no directory or not writable is refused at once', async (t) => {
  const file = join(await temporaryDirectory(t), 'file');
  await writeFile(file, '', { mode: 0o600 });
  await assert.rejects(openStateStore({ HA_KUBERNETES_HOME: file }), /is not a directory/);
  const home = await temporaryDirectory(t);
  // A file in the place of the directory for temporary files refuses writes even to root.
  await writeFile(join(home, 'tmp'), '', { mode: 0o600 });
  await assert.rejects(openStateStore({ HA_KUBERNETES_HOME: home }), /cannot be written .*: make it writable/);
});

test('a spec is kept under the digest of its canonical form', async (t) => {
  const { home, store } = await newCluster(t);
  const digest = await store.putSpec({ name: 'seed', hosts: [{ b: 1, a: [2, { d: 3, c: 4 }] }] });
  assert.equal(await store.putSpec({ hosts: [{ a: [2, { c: 4, d: 3 }], b: 1 }], name: 'seed' }), digest);
  assert.notEqual(await store.putSpec({ name: 'seed', hosts: [{ b: 1, a: [{ d: 3, c: 4 }, 2] }] }), digest);
  assert.deepEqual(await store.getSpec(digest), { name: 'seed', hosts: [{ a: [2, { c: 4, d: 3 }], b: 1 }] });
  assert.equal(await modeOf(join(home, 'clusters', 'seed', 'specs', `${digest}.json`)), 0o600);
});

test('a spec that is missing or was changed by hand is an error that says so', async (t) => {
  const { home, store } = await newCluster(t);
  await assert.rejects(store.getSpec('0'.repeat(64)), /all workers and clients must share one state store/);
  await assert.rejects(store.getSpec('../../etc/passwd'), /is no digest of a spec/);
  const digest = await store.putSpec({ name: 'seed' });
  await writeFile(join(home, 'clusters', 'seed', 'specs', `${digest}.json`), '{"name":"other"}');
  await assert.rejects(store.getSpec(digest), /does not have the digest in its name/);
});

test('names cannot lead out of the store', async (t) => {
  const { home, store } = await newCluster(t);
  const state = await openStateStore({ HA_KUBERNETES_HOME: home });
  for (const name of ['', '..', 'a/b', '.hidden', 'A'])
    await assert.rejects(state.cluster(name), /is no name of a cluster/);
  for (const name of ['../x', '/etc/x', 'a//b', 'a/..', '..']) {
    await assert.rejects(store.pki.newest(name), /is no name of a secret/);
  }
  for (const file of ['../x', '.x', 'a/b']) await assert.rejects(store.writeReport(file, ''), /is no name of a report/);
});

test('kubeconfig and reports are replaced as a whole and private', async (t) => {
  const { store } = await newCluster(t);
  await store.writeKubeconfig('first');
  await store.writeKubeconfig('second');
  assert.equal(await readFile(store.kubeconfigPath, 'utf8'), 'second');
  assert.equal(await modeOf(store.kubeconfigPath), 0o600);
  const path = await store.writeReport('deploy.json', '{}');
  assert.equal(await readFile(path, 'utf8'), '{}');
});

test('of many writers of one generation exactly one succeeds, and the others see its text', async (t) => {
  const { store } = await newCluster(t);
  const writers = Array.from({ length: 20 }, (_, index) => `writer ${index}`);
  const won = await Promise.all(writers.map((text) => store.pki.add('a/b', { generation: 1, text })));
  assert.equal(won.filter(Boolean).length, 1);
  assert.deepEqual(await store.pki.newest('a/b'), { generation: 1, text: `writer ${won.indexOf(true)}` });
  assert.equal(await store.pki.add('a/b', { generation: 2, text: 'next' }), true);
  assert.deepEqual(await store.pki.newest('a/b'), { generation: 2, text: 'next' });
});

test('a tenth generation is newer than the ninth', async (t) => {
  const { store } = await newCluster(t);
  for (let generation = 1; generation <= 10; generation++) {
    await store.pki.add('a', { generation, text: String(generation) });
  }
  assert.equal((await store.pki.newest('a'))?.generation, 10);
});

test('opening the store removes what killed processes left, and nothing that is being written', async (t) => {
  const home = await temporaryDirectory(t);
  const temporary = join(home, 'tmp');
  await mkdir(temporary, { mode: 0o700 });
  await writeFile(join(temporary, 'abandoned'), 'x', { mode: 0o600 });
  await writeFile(join(temporary, 'in-use'), 'x', { mode: 0o600 });
  const anHourAgo = new Date(Date.now() - 60 * 60 * 1000);
  await utimes(join(temporary, 'abandoned'), anHourAgo, anHourAgo);
  await openStateStore({ HA_KUBERNETES_HOME: home });
  assert.deepEqual(await readdir(temporary), ['in-use']);
});
