import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { freePort } from '../support/loopback.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const worker = fileURLToPath(new URL('../../worker.js', import.meta.url));

/** Starts the worker as script/worker does; it must end by itself, as it cannot work. */
async function start(home: string): Promise<{ exitCode: number | undefined; stderr: string }> {
  const { exitCode, stderr } = await execa('node', [worker], {
    env: { HA_KUBERNETES_HOME: home, TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` },
    stdin: 'ignore',
    reject: false,
    timeout: 60_000,
  });
  return { exitCode, stderr };
}

const home = async (t: TestContext): Promise<string> => join(await temporaryDirectory(t), 'home');

test('a worker whose state store is not there says so at once, with the fix', async (t) => {
  const { exitCode, stderr } = await start(join(await home(t), 'not/mounted'));
  assert.equal(exitCode, 1);
  assert.match(stderr, /^error: .*not.*mount it\) first/);
});

test('a worker whose state store is open to others does not use it', async (t) => {
  const path = await home(t);
  await mkdir(path, { mode: 0o755 });
  const { exitCode, stderr } = await start(path);
  assert.equal(exitCode, 1);
  assert.match(stderr, /^error: state store: .* has mode 0755, .*: run chmod 0700/);
});

test('a worker whose state store is a file says so', async (t) => {
  const path = await home(t);
  await writeFile(path, '', { mode: 0o600 });
  const { exitCode, stderr } = await start(path);
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /^error: state store .* is not a directory: point HA_KUBERNETES_HOME to a directory itself, not to a link$/,
  );
});

test('a worker without a Temporal server ends with what to start', async (t) => {
  const { exitCode, stderr } = await start(await home(t));
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /^error: no Temporal server answers at 127\.0\.0\.1:\d+; start one \(.*\) or set TEMPORAL_ADDRESS$/,
  );
});
