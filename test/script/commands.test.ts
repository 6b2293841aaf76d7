import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { newestVersion, seedVersion } from '../../lab/mirror/plans/index.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

function bash(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('bash', args, { cwd: root, encoding: 'utf8', timeout: 30_000 });
  return { status, output: stdout + stderr };
}

for (const name of ['setup', 'demo', 'test', 'conformance']) {
  test(`script/${name} says how it is used, and refuses an option that it does not know`, () => {
    const help = bash(`script/${name}`, '--help');
    assert.equal(help.status, 0);
    assert.match(help.output, new RegExp(`^script/${name} \\[--`));
    const unknown = bash(`script/${name}`, '--no-such-option');
    assert.equal(unknown.status, 1);
    assert.match(unknown.output, /^error: unknown option --no-such-option/);
  });
}

test('a step that fails ends the script, tells the end of its log and where all of it is, and still cleans up', async (t) => {
  const directory = await temporaryDirectory(t);
  const script = `
    set -euo pipefail
    source script/lib.sh
    logs=${directory}
    cleanup() { echo "cleaned up" >&2; }
    step "do it" bash -c 'echo one; echo two; exit 3'
    echo "not reached" >&2`;
  const { status, output } = bash('-c', script);
  assert.equal(status, 3);
  assert.match(output, /^error: do it failed:\n {2}one\n {2}two\n {2}all of it: .*\/do-it\.log\ncleaned up\n$/);
});

test('a script that is told to stop ends what its step started', async (t) => {
  const directory = await temporaryDirectory(t);
  const script = `
    set -euo pipefail
    source script/lib.sh
    logs=${directory}
    (sleep 1; kill -TERM $$) &
    step "wait" bash -c 'echo $$ > ${directory}/pid; sleep 60 & wait'`;
  assert.equal(bash('-c', script).status, 143);
  // An ended process counts until its parent has asked for it, so a busy machine gets a while.
  const gone = bash(
    '-c',
    `for _ in {1..100}; do kill -0 -- -$(cat ${directory}/pid) 2>/dev/null || exit 0; sleep 0.1; done; exit 1`,
  );
  assert.equal(gone.status, 0, 'the process group of the step is gone');
});

test('scripts and programs name the same versions', () => {
  const { output } = bash('-c', 'source script/lib.sh && echo "$seed $newest $kubernetes"');
  assert.equal(output, `${seedVersion} ${newestVersion} ${newestVersion}\n`);
});
