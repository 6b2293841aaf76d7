import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withIssued } from '../../activities/kubernetes/issued-manifest.js';
import { IssuedPem } from '../../cluster/addons/manifest.js';

test('what a manifest names of the PKI is put in its place, as text or as base64, and nothing else is changed', async () => {
  const certificate = { kind: 'certificate', certificate: 'ca' } as const;
  const manifest = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'x', labels: {} },
    data: { key: new IssuedPem({ kind: 'private-key', key: 'leaf' }, 'base64'), list: [1, null, true, 'ca'] },
    text: new IssuedPem(certificate, 'text'),
  };
  const pemOf = (content: IssuedPem['content']): Promise<string> =>
    Promise.resolve(content.kind === 'certificate' ? `certificate ${content.certificate}` : `key ${content.key}`);
  assert.deepEqual(await withIssued(manifest, pemOf), {
    ...manifest,
    data: { key: Buffer.from('key leaf').toString('base64'), list: [1, null, true, 'ca'] },
    text: 'certificate ca',
  });
});
