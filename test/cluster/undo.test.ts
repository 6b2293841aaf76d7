import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noTraces, nothing, type HostState } from '../../cluster/desired-state.js';
import { encodeName, parseJournal, planRemoval, type UndoRecord } from '../../cluster/undo.js';

const unit = (name: string, cleanup: string): HostState => ({
  ...nothing,
  units: [{ name, enabled: true, running: true, restartOn: [], startTimeoutSeconds: 10 }],
  traces: { ...noTraces, cleanups: [{ title: cleanup, command: 'true' }] },
});
const plan = (journal: string, ...states: HostState[]): ReturnType<typeof planRemoval> =>
  planRemoval(parseJournal(journal).records, states);

test('a name comes out of the journal as it went in, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (part) => {
      fc.pre(!/[/\0]/.test(part) && part !== '.' && part !== '..');
      const name = `/etc/${part}`;
      assert.match(encodeName(name), /^[!-~]+$/);
      const expected: UndoRecord = { kind: 'file', name, fact: 'absent' };
      assert.deepEqual(parseJournal(`file ${encodeName(name)} absent .\n`).records, [expected]);
    }),
  );
});

test('of two records of one thing the first counts', () => {
  const { files } = plan('file /etc/a copied .\nfile /etc/a absent .\nfile /etc/b absent .\n');
  assert.deepEqual(files, [
    { path: '/etc/a', copied: true },
    { path: '/etc/b', copied: false },
  ]);
});

test('a line that was cut off, in the middle or at the end, is no record', () => {
  assert.deepEqual(parseJournal('file /etc/a abs\n\nfile /etc/b absent .\nfile /etc/c absent'), {
    records: [{ kind: 'file', name: '/etc/b', fact: 'absent' }],
    unknown: [],
  });
});

test('a line that nobody of us wrote is told, and nothing is done about it', () => {
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

test('units stop in the opposite order of their start, ones that nobody describes any more first', () => {
  const { stop, cleanups } = plan(
    'unit b.service - inactive .\nunit a.service - inactive .\nunit old.service - inactive .\n',
    unit('a.service', 'after a'),
    unit('b.service', 'after b'),
    unit('never.service', 'after never'),
  );
  assert.deepEqual(stop, ['old.service', 'b.service', 'a.service']);
  assert.deepEqual(
    cleanups.map(({ title }) => title),
    ['after b', 'after a'],
  );
});

test('a unit that was there before gets its states back, and one of ours does not', () => {
  const { units } = plan('unit ours.service - inactive .\nunit theirs.service enabled active .\n');
  assert.deepEqual(units, [{ name: 'theirs.service', fileState: 'enabled', activeState: 'active' }]);
});

test('a directory goes with all that is in it only if it is ours by name', () => {
  const removal = plan(
    [
      'parent /opt absent .',
      'parent /etc/kubernetes absent .',
      'path /etc/kubernetes present .',
      'path /var/lib/kubelet absent .',
      'path /var/lib/containerd empty .',
      'path /etc/cni present .',
      'parent /opt/cni absent .',
      '',
    ].join('\n'),
  );
  assert.deepEqual(removal.trees, ['/etc/kubernetes', '/var/lib/kubelet']);
  assert.deepEqual(removal.emptied, ['/var/lib/containerd']);
  assert.deepEqual(removal.parents, ['/opt/cni', '/opt']);
});

test('an empty journal asks for nothing', () => {
  const { ...removal } = plan('', unit('a.service', 'after a'));
  assert.ok(Object.values(removal).every((list: readonly unknown[]) => list.length === 0));
});
