import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encryptedPrefix, firstRing, nextRing, phaseOf, type KeyRing } from '../../cluster/encryption.js';
import { rotationSteps } from '../../cluster/operations/rotate-encryption-key.js';
import { seedDocument, specOf } from '../cluster/documents.js';

/** The rings of two rotations, one after the other. */
function rings(): KeyRing[] {
  const all: KeyRing[] = [firstRing('secret-1')];
  for (let step = 0; step < 6; step++) {
    const ring = all.at(-1);
    assert.ok(ring !== undefined);
    all.push(nextRing(ring, `secret-of-step-${step}`));
  }
  return all;
}

const names = (ring: KeyRing): string[] => ring.map(({ name }) => name);

test('a rotation adds a key that decrypts, lets it encrypt, and takes the old one away', () => {
  assert.deepEqual(rings().map(names), [
    ['key1'],
    ['key1', 'key2'],
    ['key2', 'key1'],
    ['key2'],
    ['key2', 'key3'],
    ['key3', 'key2'],
    ['key3'],
  ]);
});

test('how far a rotation is can be read from the ring alone', () => {
  assert.deepEqual(rings().slice(0, 4).map(phaseOf), ['settled', 'introduced', 'promoted', 'settled']);
  const ninth: KeyRing = [{ name: 'key9', secret: 'a' }];
  assert.deepEqual(names(nextRing(ninth, 'b')), ['key9', 'key10']);
  assert.equal(phaseOf(nextRing(ninth, 'b')), 'introduced');
});

test('while a ring reaches hosts one after the other, each can decrypt what another encrypts', () => {
  const all = rings();
  for (const [index, ring] of all.slice(1).entries()) {
    const earlier = all[index];
    assert.ok(earlier !== undefined);
    assert.ok(names(ring).includes(earlier[0].name), names(ring).join());
    assert.ok(names(earlier).includes(ring[0].name), names(earlier).join());
  }
});

test("a key's name tells its values in etcd from those of every other key", () => {
  assert.equal(encryptedPrefix({ name: 'key1' }), 'k8s:enc:secretbox:v1:key1:');
  assert.ok(!encryptedPrefix({ name: 'key11' }).startsWith(encryptedPrefix({ name: 'key1' })));
});

test('the steps touch one API server after the other, and the old key goes last', () => {
  const steps = rotationSteps(specOf(seedDocument()));
  assert.deepEqual(
    steps.map(({ id }) => id),
    [
      ...['introduced', 'introduced:master01', 'introduced:master02', 'introduced:master03'],
      ...['promoted', 'promoted:master01', 'promoted:master02', 'promoted:master03'],
      'rewrite',
      ...['settled', 'settled:master01', 'settled:master02', 'settled:master03'],
    ],
  );
  for (const [index, { needs }] of steps.entries()) {
    assert.deepEqual(
      needs,
      steps.slice(Math.max(0, index - 1), index).map(({ id }) => id),
    );
  }
});
