import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { readVerdicts, verdictsIn } from '../../lab/conformance/verdicts.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A part of ginkgo's JSON report. */
function spec(text: string, state: string, message?: string, type = 'It'): object {
  return {
    ContainerHierarchyTexts: type === 'It' ? ['[sig-node] Pods', 'when asked'] : null,
    LeafNodeType: type,
    LeafNodeText: text,
    State: state,
    RunTime: 5_000_000_000,
    ...(message === undefined ? {} : { Failure: { Message: message } }),
  };
}

void test('verdicts are read from the report by the full name of the test', () => {
  const report = JSON.stringify([
    {
      SuitePath: '/e2e',
      SpecReports: [
        spec('', 'passed', undefined, 'SynchronizedBeforeSuite'),
        spec('should run [Conformance]', 'passed'),
        spec('should stop [Conformance]', 'failed', 'timed out\nwith details'),
        spec('should think [Conformance]', 'panicked'),
        spec('should wait [Conformance]', 'interrupted', 'Interrupted by User'),
        spec('should last [Conformance]', 'timedout', 'A suite timeout occurred'),
        spec('should have two nodes [Conformance]', 'skipped', 'Requires at least 2 nodes'),
        spec('was not selected', 'skipped'),
      ],
    },
  ]);
  assert.deepEqual(
    [...readVerdicts(report)],
    [
      ['[sig-node] Pods when asked should run [Conformance]', { state: 'passed' }],
      ['[sig-node] Pods when asked should stop [Conformance]', { state: 'failed', message: 'timed out' }],
      ['[sig-node] Pods when asked should think [Conformance]', { state: 'failed', message: 'panicked' }],
      [
        '[sig-node] Pods when asked should have two nodes [Conformance]',
        { state: 'skipped', message: 'Requires at least 2 nodes' },
      ],
    ],
  );
});

void test('a round that left no report has no verdicts', async (t) => {
  assert.equal((await verdictsIn(join(await temporaryDirectory(t), 'round-1.json'))).size, 0);
  assert.equal(readVerdicts('[{"SpecReports":null}]').size, 0);
});
