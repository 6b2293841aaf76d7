import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { removalFunctions } from '../../activities/host-state/removal-script.js';
import { call, script } from '../../activities/host-state/shell.js';
import { quote } from '../../activities/ssh/remote-command.js';
import { certificatePlan } from '../../cluster/pki.js';
import { parseJournal } from '../../cluster/undo.js';
import { takenPorts } from '../../cluster/ports.js';
import { sshSettings, type ClusterSpec } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { fullName, hostsWithRole } from '../../cluster/topology.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** What a cluster file or a host must not bring about, whatever is in it. */

const words = [
  'kubernetes',
  'kubernetes-api',
  'localhost',
  'default',
  'svc',
  'cluster',
  'local',
  'node01',
  'api',
  '10',
  'org',
];
const label = fc.constantFrom(...words);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const port = fc.oneof(fc.constantFrom(1, 22, 1023, 1024, 2222, 6443, 10250, 65535), fc.integer({ min: 1, max: 65535 }));

/** Every spec of these words that is accepted. */
function accepted(check: (spec: ClusterSpec) => void): number {
  let count = 0;
  fc.assert(
    fc.property(
      fc.record({
        ...{ master: label, node: label, domain: name, dnsDomain: name },
        ...{ apiName: fc.option(name, { nil: undefined }), low: port, high: port, ssh: port },
      }),
      ({ master, node, domain, dnsDomain, apiName, low, high, ssh }) => {
        const result = validateSpec({
          ...{ name: 'attack', kubernetes: 'v1.37.1', domain },
          network: { dnsDomain, nodePorts: `${low}-${high}` },
          apiEndpoint: apiName === undefined ? {} : { name: apiName },
          ssh: { port: ssh },
          hosts: [
            { name: master, address: '172.16.0.101', roles: ['etcd', 'control-plane'] },
            { name: node, address: '172.16.0.104', roles: ['node'] },
          ],
        });
        if ('problems' in result) return;
        count += 1;
        check(result.spec);
      },
    ),
    { numRuns: 20_000 },
  );
  return count;
}

test("no node of an accepted cluster file may ask for a name that is in an API server's certificate", () => {
  const count = accepted((spec) => {
    const servers = certificatePlan(spec).certificates.filter(({ name }) => name.startsWith('kube-apiserver/'));
    const names = new Set(servers.flatMap(({ sans }) => [...sans.dns, ...sans.ip]));
    for (const host of hostsWithRole(spec, 'node')) {
      for (const own of [host.name, fullName(spec, host), host.address]) assert.ok(!names.has(own), own);
    }
  });
  assert.ok(count > 50, `${count} were accepted`);
});

test('no tenant of an accepted cluster gets the port of sshd or of a component by a NodePort', () => {
  accepted((spec) => {
    const [low = 0, high = 0] = spec.network.nodePorts.split('-').map(Number);
    const own = [
      ...takenPorts.map(({ port }) => port),
      ...spec.hosts.map((host) => sshSettings(spec, host).port),
      53,
      123,
    ];
    for (const port of own) assert.ok(port < low || port > high, `${port} is in ${spec.network.nodePorts}`);
  });
});

test('a directory in which others have mounted something outlives a removal, with all that is in it', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'theirs', 'io'), { recursive: true });
  await mkdir(join(root, 'ours'));
  const asked = (path: string): string => `others_in ${quote(path)} && echo others || echo none`;
  const output = execFileSync('sh', ['-s'], {
    input: script(removalFunctions, [
      // Every Linux has something mounted in /dev; in a directory of a moment ago there is nothing.
      asked('/dev'),
      asked(join(root, 'theirs')),
      'others_in() { [ "${1##*/}" = theirs ]; }',
      call('tree', join(root, 'theirs')),
      call('tree', join(root, 'ours')),
    ]),
    encoding: 'utf8',
  });
  assert.equal(output, `others\nnone\nleft: ${join(root, 'theirs')}, in which others have mounted something\n`);
  assert.deepEqual(await readdir(root), ['theirs']);
});

test('a line of the journal that was cut off, in the middle or at the end, is no record', () => {
  assert.deepEqual(parseJournal('file /etc/a abs\n\nfile /etc/b absent .\nfile /etc/c absent'), {
    records: [{ kind: 'file', name: '/etc/b', fact: 'absent' }],
    unknown: [],
  });
});

test('a line of the journal that nobody of us wrote, with % or / or a path through .., is told, and nothing is done about it', () => {
  const lines = [
    'file /etc/50% absent .',
    'file /etc/%E0%A4%A absent .',
    'path / absent .',
    'path /etc absent .',
    'path /var/.. absent .',
    'path /var/lib/../../etc absent .',
    'path /var//lib absent .',
    'path var/lib absent .',
    'file /etc/a%00b copied .',
    'parent / absent .',
    'owner %2F..%2F.. 755 root:root .',
    'unit --root=/tmp - inactive .',
    'package -- absent .',
    'account ../root - .',
    'sysctl a%0Ab 1 .',
    'module a/b absent .',
    'unknown x y .',
    'constructor x y .',
    ' .',
    '\u001b[2J . .',
  ];
  const { records, unknown } = parseJournal(`${lines.join('\n')}\nfile /etc/a absent .\n`);
  assert.deepEqual(records, [{ kind: 'file', name: '/etc/a', fact: 'absent' }]);
  assert.deepEqual(unknown, lines);
});
