import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { PkiError } from '../../activities/certificates/ensure-pki.js';
import { addRing, ensureRing, newestRing, readRing } from '../../activities/encryption/key-ring.js';
import { openStateStore } from '../../activities/state-store/file-state-store.js';
import type { SecretStore } from '../../activities/state-store/state-store.js';
import { encryptionConfiguration } from '../../cluster/encryption.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

async function newStore(t: TestContext): Promise<SecretStore> {
  const state = await openStateStore({ HA_KUBERNETES_HOME: await temporaryDirectory(t) });
  return (await state.cluster('seed')).encryption;
}

test('the first ring has one key of 32 bytes, is kept for its owner alone, and is never replaced', async (t) => {
  const store = await newStore(t);
  await assert.rejects(readRing(store), /no encryption key in .*made with the certificates/);
  const made = await Promise.all(Array.from({ length: 8 }, () => ensureRing(store)));
  assert.equal(made.filter((outcome) => outcome === 'created').length, 1);
  const [key, ...others] = await readRing(store);
  assert.deepEqual(others, []);
  assert.equal(key.name, 'key1');
  assert.equal(Buffer.from(key.secret, 'base64').length, 32);
  assert.equal(await ensureRing(store), 'reused');
  assert.deepEqual(await readRing(store), [key]);
  const path = join(store.location('key-ring'), '1.json');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.ok((await readFile(path, 'utf8')).includes(key.secret));
});

test('the configuration encrypts Secrets with the first key, and reads with every key and without one', async (t) => {
  const store = await newStore(t);
  await ensureRing(store);
  const [first] = await readRing(store);
  const second = { name: 'key2', secret: Buffer.alloc(32, 7).toString('base64') };
  const { kind, resources } = parse(encryptionConfiguration([second, first])) as {
    kind: string;
    resources: { resources: string[]; providers: object[] }[];
  };
  assert.equal(kind, 'EncryptionConfiguration');
  assert.deepEqual(resources, [
    { resources: ['secrets'], providers: [{ secretbox: { keys: [second, first] } }, { identity: {} }] },
  ]);
});

test('of two writers of the next ring one is first, and a damaged ring is an error without its text', async (t) => {
  const store = await newStore(t);
  await ensureRing(store);
  const stored = await newestRing(store);
  assert.ok(stored !== undefined);
  assert.equal(await addRing(store, { ...stored, generation: 2 }), true);
  assert.equal(await addRing(store, { ...stored, generation: 2 }), false);
  await store.add('key-ring', { generation: 3, text: '[{"name":"key1"},"c2VjcmV0"]' });
  await assert.rejects(readRing(store), (error: Error) => {
    assert.ok(error instanceof PkiError);
    assert.match(error.message, /holds no key ring: restore it/);
    assert.doesNotMatch(error.message, /c2VjcmV0/);
    return true;
  });
});
