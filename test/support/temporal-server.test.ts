import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTemporalServer, temporalProgram } from './temporal-server.js';
import { temporaryDirectory } from './temporary-directory.js';

test('a server that is not up within the time that the SDK gives it is started again', async (t) => {
  const slow = join(await temporaryDirectory(t), 'slow-temporal');
  await writeFile(
    slow,
    `#!/bin/sh
if [ ! -e '${slow}.started' ]; then
  touch '${slow}.started'
  sleep 30
fi
exec '${temporalProgram('temporal')}' "$@"
`,
    { mode: 0o755 },
  );
  const before = process.env['TEMPORAL_CLI_PATH'];
  process.env['TEMPORAL_CLI_PATH'] = slow;
  t.after(() => {
    if (before === undefined) delete process.env['TEMPORAL_CLI_PATH'];
    else process.env['TEMPORAL_CLI_PATH'] = before;
  });
  const env = await startTemporalServer('local');
  t.after(() => env.teardown());
  assert.ok(await env.connection.workflowService.getSystemInfo({}));
});
