import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiException } from '@kubernetes/client-node';
import { toKubernetesError } from '../../activities/kubernetes/kubernetes-error.js';

function answered(code: number, message: string): Error {
  return new ApiException(code, 'error', JSON.stringify({ kind: 'Status', message }), {});
}

const answers: readonly (readonly [string, number, string, boolean])[] = [
  ['an object that breaks a rule', 422, 'Service "a" is invalid: spec.ports: Required value', false],
  [
    'an address that could not be had from an etcd that has just died',
    422,
    'Service "a" is invalid: spec.clusterIPs: failed to allocate IP: rpc error: code = Unavailable desc = reset by peer',
    true,
  ],
  ['a request without credentials', 401, 'Unauthorized', false],
  ['a permission that is not there yet', 403, 'forbidden', true],
  ['a conflict', 409, 'the object has been modified', true],
  ['an API server that starts', 503, 'starting', true],
];

for (const [what, code, message, retryable] of answers) {
  test(`${what} is ${retryable ? 'asked for again' : 'told at once'}`, () => {
    const error = toKubernetesError('apply Service a/b', answered(code, message));
    assert.equal(error.retryable, retryable);
    assert.equal(error.status, code);
    assert.equal(error.message, `apply Service a/b: the API answered ${code} ${message}`);
  });
}

test('no answer at all passes', () => {
  assert.ok(toKubernetesError('list nodes', new Error('connect ECONNREFUSED')).retryable);
});
