import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { recipeHash, type Step, Workshop } from '../../lab/mirror/step.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A step that writes `text` and counts how often it ran. */
function counted(name: string, text: string, inputs: Record<string, Step> = {}): { step: Step; runs: () => number } {
  let runs = 0;
  const step: Step = {
    name,
    recipe: { text },
    code: [import.meta.filename],
    inputs,
    run: async ({ output, inputs: directories }) => {
      runs += 1;
      const parts = await Promise.all(Object.values(directories).map((path) => readFile(join(path, 'text'), 'utf8')));
      await writeFile(join(output, 'text'), [text, ...parts].join('+'));
    },
  };
  return { step, runs: () => runs };
}

void test('a hash depends on the recipe, the code and the inputs, and on no order of keys', () => {
  const base = recipeHash({ name: 'etcd', recipe: { version: '3.4.23' } }, 'code', { a: '1', b: '2' });
  assert.equal(recipeHash({ name: 'etcd', recipe: { version: '3.4.23' } }, 'code', { b: '2', a: '1' }), base);
  for (const other of [
    recipeHash({ name: 'etcd', recipe: { version: '3.4.24' } }, 'code', { a: '1', b: '2' }),
    recipeHash({ name: 'etcd', recipe: { version: '3.4.23' } }, 'other code', { a: '1', b: '2' }),
    recipeHash({ name: 'etcd', recipe: { version: '3.4.23' } }, 'code', { a: '1', b: '3' }),
    recipeHash({ name: 'runc', recipe: { version: '3.4.23' } }, 'code', { a: '1', b: '2' }),
  ]) {
    assert.notEqual(other, base);
  }
});

void test('a step whose output is there is not run again, and a changed input runs what depends on it', async (t) => {
  const directory = await temporaryDirectory(t);
  const build = async (text: string): Promise<[number, number, string]> => {
    const source = counted('source', text);
    const archive = counted('archive', 'packed', { source: source.step });
    const output = await new Workshop(directory).output(archive.step);
    return [source.runs(), archive.runs(), await readFile(join(output, 'text'), 'utf8')];
  };
  assert.deepEqual(await build('one'), [1, 1, 'packed+one']);
  assert.deepEqual(await build('one'), [0, 0, 'packed+one']);
  assert.deepEqual(await build('two'), [1, 1, 'packed+two']);
  assert.deepEqual(await build('one'), [0, 0, 'packed+one']);
});

void test('a step that fails leaves nothing behind, and is run again the next time', async (t) => {
  const directory = await temporaryDirectory(t);
  const good = counted('broken', 'text').step;
  const bad: Step = {
    ...good,
    run: async ({ output }) => {
      await writeFile(join(output, 'text'), 'half');
      throw new Error('out of disk');
    },
  };
  await assert.rejects(new Workshop(directory).output(bad), /out of disk/);
  assert.deepEqual(await readdir(directory), []);
  const output = await new Workshop(directory).output(good);
  assert.equal(await readFile(join(output, 'text'), 'utf8'), 'text');
});

void test('leftovers of a killed builder are removed, those of a running one are not', async (t) => {
  const directory = await temporaryDirectory(t);
  const running = `etcd-0123.partial-${process.pid}`;
  // Above the largest pid that a kernel gives (4,194,304).
  await mkdir(join(directory, 'etcd-0123.partial-4194305', 'output'), { recursive: true });
  await mkdir(join(directory, running));
  await mkdir(join(directory, 'etcd-0123'));
  await new Workshop(directory).sweep();
  assert.deepEqual((await readdir(directory)).sort(), ['etcd-0123', running]);
});

const outputs = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name !== 'needs').sort();

void test('pruning removes outputs of former recipes, and keeps the inputs of what is kept', async (t) => {
  const directory = await temporaryDirectory(t);
  const build = async (text: string): Promise<Workshop> => {
    const workshop = new Workshop(directory);
    await workshop.output(counted('archive', 'packed', { source: counted('source', text).step }).step);
    return workshop;
  };
  await build('one');
  const former = await outputs(directory);
  await build('two');
  const current = (await outputs(directory)).filter((name) => !former.includes(name));
  const partial = `etcd-0123.partial-${process.pid}`;
  await mkdir(join(directory, partial));
  // Nothing is built this time: the archive is there, and its input is not even asked for.
  await (await build('two')).prune('v1', ['v1']);
  assert.deepEqual(await outputs(directory), [...current, partial].sort());
});

void test('what two users need is built once, and stays until neither needs it', async (t) => {
  const directory = await temporaryDirectory(t);
  const build = async (user: string, users: string[], ...texts: string[]): Promise<[number, string[]]> => {
    const workshop = new Workshop(directory);
    const steps = texts.map((text) => counted(text, text));
    for (const { step } of steps) await workshop.output(step);
    await workshop.prune(user, users);
    const names = (await outputs(directory)).map((name) => name.replace(/-[0-9a-f]+$/, ''));
    return [steps.reduce((sum, { runs }) => sum + runs(), 0), names];
  };
  assert.deepEqual(await build('v1', ['v1', 'v2'], 'flannel', 'etcd34'), [2, ['etcd34', 'flannel']]);
  assert.deepEqual(await build('v2', ['v1', 'v2'], 'flannel', 'etcd36'), [1, ['etcd34', 'etcd36', 'flannel']]);
  // The first user's plan is gone: what only it needed goes too.
  assert.deepEqual(await build('v2', ['v2'], 'flannel', 'etcd36'), [0, ['etcd36', 'flannel']]);
});

void test('what a builder has claimed is not pruned by another one that ends first', async (t) => {
  const directory = await temporaryDirectory(t);
  const slow = new Workshop(directory);
  const early = counted('early', 'text').step;
  await slow.claim('v1', [counted('late', 'text', { early }).step]);
  await slow.output(early);
  await new Workshop(directory).prune('v2', ['v1', 'v2']);
  assert.deepEqual((await outputs(directory)).length, 1);
  await slow.prune('v1', ['v1', 'v2']);
  assert.deepEqual((await outputs(directory)).length, 1);
});
