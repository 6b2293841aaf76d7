import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Description, imageReference } from '../../cluster/artifacts.js';
import { compareDescriptions, type Difference } from '../../cluster/spec-diff.js';
import { anySpec, lockFor, seedDocument, specOf } from './documents.js';

function described(
  kubernetes: string,
  change: (document: ReturnType<typeof seedDocument>) => void = () => {},
): Description {
  const document = { ...seedDocument(), kubernetes };
  change(document);
  return { spec: specOf(document), lock: lockFor(kubernetes) };
}

/** The differences of a component, and the hosts that have them. */
function of(component: string, before: Description, after: Description): readonly Difference[] {
  return compareDescriptions(before, after).find((each) => each.component === component)?.differences ?? [];
}

test('a description does not differ from itself', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const description = { spec, lock: lockFor('v1.37.1') };
      assert.deepEqual(compareDescriptions(description, description), []);
    }),
    { numRuns: 20 },
  );
});

test('another version shows the flags, fields, programs and objects that differ, once for all hosts of a role', () => {
  const [before, after] = [described('v1.20.2'), described('v1.37.1')];
  const [apiServer] = compareDescriptions(before, after).filter(({ component }) => component === 'kube-apiserver');
  assert.deepEqual(apiServer?.hosts, ['master01', 'master02', 'master03']);
  assert.deepEqual(apiServer.differences[0], {
    what: '/etc/systemd/system/kube-apiserver.service',
    lines: [
      '- --insecure-port=0',
      '- --enable-admission-plugins=NodeRestriction',
      '+ --enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs',
      '+ --admission-control-config-file=/etc/kubernetes/admission.yaml',
      '+ --authentication-config=/etc/kubernetes/authentication.yaml',
      '+ --shutdown-send-retry-after=true',
    ],
  });
  assert.deepEqual(of('etcd-binaries', before, after)[0], {
    what: '/usr/local/bin/etcd',
    how: 'from etcd 3.4.13 to etcd 3.7.1',
    lines: [],
  });
  assert.deepEqual(of('coredns', before, after), [
    {
      what: 'Deployment kube-system/coredns',
      lines: [
        `- image: ${imageReference(lockFor('v1.20.2'), 'coredns')}`,
        `+ image: ${imageReference(lockFor('v1.37.1'), 'coredns')}`,
      ],
    },
  ]);
  assert.ok(of('metrics-server', before, after).every(({ how }) => how === 'is new'));
  assert.ok(of('metrics-server', after, before).every(({ how }) => how === 'is removed'));
});

test('a host that comes or goes is one difference of its own', () => {
  const all = described('v1.36.3');
  const fewer = described('v1.36.3', (document) => document.hosts.pop());
  const about = (before: Description, after: Description): string[] =>
    compareDescriptions(before, after)
      .filter(({ hosts }) => hosts.includes('node03'))
      .flatMap(({ differences }) => differences.map(({ how = '' }) => how));
  assert.deepEqual(about(fewer, all), ['is new: node']);
  assert.deepEqual(about(all, fewer), ['is not in the file any more; it is left alone']);
});

test('what a file refers to is named and not read, so no secret can be in a comparison', () => {
  const other = described('v1.36.3', (document) => (document['domain'] = 'example.org'));
  const text = JSON.stringify(compareDescriptions(described('v1.36.3'), other));
  assert.match(text, /example\.org/);
  assert.doesNotMatch(text, /BEGIN|PRIVATE KEY|client-key-data/);
});
