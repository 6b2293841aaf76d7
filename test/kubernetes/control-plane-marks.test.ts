import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { ensureControlPlaneMarks } from '../../activities/control-plane-marks.js';
import { KubernetesApi } from '../../activities/kubernetes/kubernetes-api.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { hostByName } from '../../cluster/topology.js';
import { seedDocument, specOf } from '../cluster/documents.js';
import { listen } from '../support/loopback.js';

const KEY = 'node-role.kubernetes.io/control-plane';
const ours = { key: KEY, effect: 'NoSchedule' };
const foreign = { key: 'gpu', effect: 'NoExecute' };

function specWith(schedulable: boolean): ClusterSpec {
  const seed = seedDocument();
  for (const host of seed.hosts) if (host.name === 'master01') host.roles = ['etcd', 'control-plane', 'node'];
  return specOf({ ...seed, controlPlane: { schedulable } });
}

/** An API server that has one Node, and the changes that were sent to it. */
async function serverWith(t: TestContext, node: object): Promise<{ kubernetes: KubernetesApi; patches: unknown[] }> {
  const patches: unknown[] = [];
  const server = createServer((request, response) => {
    const answer = (body: object): void =>
      void response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    if (request.url === '/api/v1') {
      answer({ groupVersion: 'v1', resources: [{ name: 'nodes', kind: 'Node', namespaced: false, verbs: [] }] });
    } else if (request.method === 'PATCH') {
      assert.match(request.headers['content-type'] ?? '', /merge-patch/);
      void json(request).then((patch) => {
        patches.push(patch);
        answer(node);
      });
    } else {
      answer(node);
    }
  });
  const port = await listen(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  const kubernetes = new KubernetesApi([
    { name: 'master01', kubeconfig: () => Promise.resolve(JSON.stringify(kubeconfig)) },
  ]);
  return { kubernetes, patches };
}

function nodeWith(labels: object, taints: readonly object[]): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'master01', labels, resourceVersion: '7' },
    spec: { taints },
  };
}

const cases = [
  ['a new control-plane node gets label and taint', false, nodeWith({}, []), [ours]],
  ['a node that lost its taint gets it again', false, nodeWith({ [KEY]: '' }, [foreign]), [foreign, ours]],
  ['the taint goes where the spec lets pods on', true, nodeWith({ [KEY]: '' }, [ours, foreign]), [foreign]],
] as const;

for (const [title, schedulable, node, taints] of cases) {
  test(`${title}, and other taints are left alone`, async (t) => {
    const { kubernetes, patches } = await serverWith(t, node);
    const spec = specWith(schedulable);
    assert.equal(await ensureControlPlaneMarks(kubernetes, spec, hostByName(spec, 'master01')), true);
    assert.deepEqual(patches, [{ metadata: { labels: { [KEY]: '' }, resourceVersion: '7' }, spec: { taints } }]);
  });
}

test('a node that is as the spec wants it, and one that is no master, are not touched', async (t) => {
  const { kubernetes, patches } = await serverWith(t, nodeWith({ [KEY]: '' }, [foreign, ours]));
  const spec = specWith(false);
  assert.equal(await ensureControlPlaneMarks(kubernetes, spec, hostByName(spec, 'master01')), false);
  assert.equal(await ensureControlPlaneMarks(kubernetes, spec, hostByName(spec, 'node01')), false);
  assert.deepEqual(patches, []);
});
