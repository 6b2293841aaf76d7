import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeApiServer } from '../support/fake-api-server.js';

test('an object is read and removed by the name that it has, capital letters included', async (t) => {
  const server = await FakeApiServer.start(t);
  const name = 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0';
  server.create({ name, request: 'not read here', username: 'system:bootstrap:abcdef' });
  const object = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name } };
  assert.equal((await server.api.read(object))?.metadata?.name, name);
  await server.api.remove(object);
  assert.equal(await server.api.read(object), undefined);
});
