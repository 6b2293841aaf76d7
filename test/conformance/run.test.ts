import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { runSpecs, type Verdicts } from '../../lab/conformance/run.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/**
 * What stands for ginkgo: tests called "stuck" run until they are interrupted, and "lost" ones get no verdict; the others
 * pass. It reports in ginkgo's form.
 */
const ginkgo = `#!${process.execPath}
const { writeFileSync } = require('node:fs');
const values = (name) => process.argv.flatMap((text) => (text.startsWith(name + '=') ? [text.slice(name.length + 1)] : []));
const specs = values('--focus').map((text) => text.slice(0, -1));
const report = (stateOf) => {
  const specReports = specs.map((LeafNodeText) => ({ LeafNodeType: 'It', LeafNodeText, State: stateOf(LeafNodeText) }));
  writeFileSync(values('--output-dir') + '/' + values('--json-report'), JSON.stringify([{ SpecReports: specReports }]));
};
if (!specs.includes('stuck')) {
  report((name) => (name === 'lost' ? 'interrupted' : 'passed'));
  process.exit(0);
}
setInterval(() => console.log('    stuck (Spec Runtime: 11m0s)'), 50);
process.on('SIGINT', () => {
  report((name) => (name === 'first' ? 'passed' : 'interrupted'));
  process.exit(1);
});
`;

async function run(
  t: TestContext,
  specs: readonly string[],
  stuckFor = '11m0s',
  signal = new AbortController().signal,
): Promise<[Verdicts, string[]]> {
  const directory = await temporaryDirectory(t);
  const program = join(directory, 'ginkgo');
  await writeFile(program, ginkgo.replace('11m0s', stuckFor), { mode: 0o755 });
  const verdicts = await runSpecs({ ginkgo: program, e2e: 'e2e.test', kubectl: '/bin/true' }, specs, {
    ...{ kubeconfig: 'none', directory, procs: 2, specSeconds: 600, signal },
    deadline: Date.now() + 60_000,
  });
  const files = (await readdir(directory)).filter((name) => name.endsWith('.json'));
  return [verdicts, files.sort()];
}

void test('a test that takes too long is cut off and has failed, and the others go on in another round', async (t) => {
  const [verdicts, files] = await run(t, ['first', 'stuck', 'second']);
  assert.deepEqual([...verdicts].sort(), [
    ['first', { state: 'passed' }],
    ['second', { state: 'passed' }],
    ['stuck', { state: 'failed', message: 'cut off after 660 s' }],
  ]);
  assert.deepEqual(files, ['round-1.json', 'round-2.json']);
});

void test('a round without any verdict is the last one', async (t) => {
  const [verdicts, files] = await run(t, ['lost']);
  assert.equal(verdicts.size, 0);
  assert.deepEqual(files, ['round-1.json']);
});

void test('a run that is ended keeps the verdicts that it has', async (t) => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 2000);
  const [verdicts] = await run(t, ['first', 'stuck', 'second'], '1m0s', stop.signal);
  assert.deepEqual([...verdicts], [['first', { state: 'passed' }]]);
});
