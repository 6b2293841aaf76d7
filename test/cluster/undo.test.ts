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
