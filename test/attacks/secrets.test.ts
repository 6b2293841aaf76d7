import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { activity, NotYetError } from '../../activities/activity.js';
import { ArtifactError } from '../../activities/artifacts/artifact-error.js';
import { KubernetesError } from '../../activities/kubernetes/kubernetes-error.js';
import { SshPool } from '../../activities/ssh/connection-pool.js';
import { startSshd } from '../ssh/loopback-sshd.js';
import { ecKeys } from '../support/certificate-request.js';
import { refusalOf } from '../support/gate.js';

/** Programs of hosts print what they like, also the secrets that they were given. None of it reaches Temporal or a log. */

const sshd = await startSshd();
test.after(() => sshd.stop());

const token = ['eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ', 'eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0']
  .concat(randomBytes(128).toString('base64url'))
  .join('.');
const key = String(ecKeys().privateKey.export({ type: 'sec1', format: 'pem' })).trimEnd();

/** What a command says, and the part of it that nobody may read. */
const leaks: [string, string, string][] = [
  ['a service account token', `Authorization: Bearer ${token}`, token.slice(-40)],
  ['a key in base64', Buffer.from(key).toString('base64'), Buffer.from(key).toString('base64').slice(30, 70)],
  ['a password in a URL', 'cannot reach https://ops:hunter2-hunter2@mirror.example/x', 'hunter2'],
  ['the tail of a key', `${key.slice(60)}\nsegmentation fault`, key.slice(70, 90)],
  ['a bootstrap token', 'kubelet: --token abcdef.0123456789abcdef', '0123456789abcdef'],
];

/** Everything that an activity gives away while it fails: its failure, its heartbeats and the log. */
async function givenAway(perform: (progress: (text: string) => void) => Promise<object>): Promise<string> {
  const said: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void said.push(line) });
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', (details: unknown) => void said.push(JSON.stringify(details)));
  const failure = await refusalOf(environment.run(activity(log, ({ progress }) => perform(progress))));
  return [...said, failure.message, failure.stack, JSON.stringify(failure), JSON.stringify(failure.cause)].join('\n');
}

test('a secret that a failing command prints is in no failure, no heartbeat and no line of the log', async (t) => {
  const pool = new SshPool({ hosts: () => sshd.target });
  t.after(() => pool.close());
  await Promise.all(
    leaks.map(async ([title, words, secret]) => {
      assert.ok(words.includes(secret));
      const given = await givenAway((progress) =>
        pool.run('node01', {
          title: 'install',
          // Long enough for a heartbeat, which carries the last line of stdout.
          command: `words=$(cat); printf '%s\\n' "$words"; sleep 4; printf '%s\\n' "$words" >&2; exit 1`,
          stdin: `${words}\n`,
          timeoutMs: 20_000,
          onStdoutLine: progress,
        }),
      );
      assert.match(given, /install failed/);
      assert.ok(!given.includes(secret), `${title}: ${given}`);
    }),
  );
});

test('a secret in the words of a kubelet, of the API or of a program of the worker is in no failure', async () => {
  for (const [title, words, secret] of leaks) {
    for (const error of [
      new NotYetError(`node01 is not Ready: ${words}`),
      new ArtifactError(`the mirror says ${words}`, { retryable: true }),
      new KubernetesError(`the API server says ${words}`, true),
      new Error(words),
    ]) {
      const given = await givenAway((progress) => {
        progress(words);
        return Promise.reject(error);
      });
      assert.ok(!given.includes(secret), `${title}: ${given}`);
    }
  }
});
