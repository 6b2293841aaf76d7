import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withRemedy } from '../activities/remedies.js';

const failures: readonly (readonly [string, RegExp])[] = [
  ['node01: receive 4 files failed: tar: opt/cni/bin/bridge: Cannot write: No space left on device', /free some space/],
  ['master01: mkdir: cannot create directory: Read-only file system', /let root write/],
  ['master01: etcd.service is not up: bind: address already in use', /stop the program that has the port/],
  ['node02: cannot connect to root@172.16.0.105 port 22: no answer within 20 s', /host is up/],
  ['x509: certificate has expired or is not yet valid', /time service/],
];

for (const [message, advice] of failures) {
  test(`"${message}" says what to do`, () => {
    const told = withRemedy(message);
    assert.ok(told.startsWith(message));
    assert.match(told, advice);
  });
}

test('a failure that nobody has a remedy for stays as it is', () => {
  assert.equal(withRemedy('node01 is not Ready: no network'), 'node01 is not Ready: no network');
});
