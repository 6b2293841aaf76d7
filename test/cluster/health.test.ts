import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { answersHttp } from '../../cluster/components/health.js';
import { freePort, listen } from '../support/loopback.js';

/** Exit code of a command under a POSIX shell, with a proxy in its environment that leads nowhere. */
function exitCode(command: string): Promise<number> {
  return new Promise((resolve) => {
    const env = { PATH: '/usr/bin:/bin', http_proxy: 'http://127.0.0.1:1' };
    execFile('sh', ['-c', command], { env }, (error) => resolve(error === null ? 0 : Number(error.code)));
  });
}

test('a program is well if it answers 200 itself, whatever proxy the environment names', async (t) => {
  const server = createServer(({ url }, response) => response.writeHead(url === '/healthz' ? 200 : 503).end('ok'));
  const port = await listen(server);
  t.after(() => server.close());
  assert.equal(await exitCode(answersHttp(port, '/healthz')), 0);
  assert.notEqual(await exitCode(answersHttp(port, '/readyz')), 0);
  assert.notEqual(await exitCode(answersHttp(await freePort(), '/healthz')), 0);
});
