import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { resultLines, resultSchema } from '../../lab/conformance/result.js';
import type { LabRun } from './harness.js';

/** Another one every day; the seed repeats it. */
const seed = process.env['HA_KUBERNETES_SEED'] ?? new Date().toISOString().slice(0, 10);

/** What takes minutes by design; `script/conformance --all` has it. */
const LONG = String.raw`\[Slow\]|\[Disruptive\]|\[Serial\]`;

/** Registers the test: a drawn sample of Kubernetes' conformance tests passes on the cluster of a run. */
export function conformanceSample(run: () => LabRun): void {
  test(
    `a sample of Kubernetes' own conformance tests passes (HA_KUBERNETES_SEED=${seed})`,
    { timeout: 900_000 },
    async (t) => {
      const results = join(run().directory, 'conformance');
      const outcome = await run().conformance(
        ...['--results', results, '--sample', '20', '--seed', seed, '--skip', LONG, '--minutes', '7'],
      );
      const text = await readFile(join(results, 'result.json'), 'utf8').catch(() => undefined);
      assert.ok(text !== undefined, outcome.stderr);
      const result = resultSchema.parse(JSON.parse(text));
      for (const line of resultLines(result)) t.diagnostic(line);
      assert.equal(outcome.exitCode, 0, resultLines(result).join('\n'));
      assert.ok(result.passed >= 20);
      const left = await run().onHost('node01', 'ls -d /etc/containerd/certs.d 2>/dev/null || true');
      assert.equal(left, '', 'the registry is taken off the runtimes again');
    },
  );
}
