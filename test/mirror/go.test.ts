import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { goAtLeast, goDirective, goToolchain, pinnedGo, requireGoFor } from '../../lab/mirror/go.js';
import { siblingEdits } from '../../lab/mirror/sources/go-module.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

void test('Go versions are compared by number, not by letter', () => {
  assert.equal(goAtLeast('1.26.8', '1.26.0'), true);
  assert.equal(goAtLeast('1.26', '1.26.0'), true);
  assert.equal(goAtLeast('1.9', '1.13'), false);
  assert.equal(goAtLeast('1.19.8', '1.26.0'), false);
  assert.equal(goAtLeast('2.0', '1.26.0'), true);
});

void test("a module's go directive says what it needs", () => {
  assert.equal(goDirective('module example.com/a\n\ngo 1.26.0\n\nrequire b v1.0.0\n'), '1.26.0');
  assert.equal(goDirective('module example.com/a\n\ngo 1.13\n'), '1.13');
  assert.equal(goDirective('module example.com/a\n'), '1.0');
});

void test('a compiler that is too old is refused with what to do', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'go.mod'), 'module example.com/a\n\ngo 1.26.0\n');
  await assert.rejects(
    requireGoFor({ command: 'go', version: '1.19.8' }, directory, 'example.com/a v1.0.0'),
    /example\.com\/a v1\.0\.0 needs Go 1\.26\.0 or newer, "go" is 1\.19\.8: install a newer Go and put it first on PATH/,
  );
  await requireGoFor({ command: 'go', version: '1.26.8' }, directory, 'example.com/a v1.0.0');
});

void test('a compiler that is not there is refused with what to do', async () => {
  await assert.rejects(
    goToolchain('/nowhere/bin/go', 'apt-get install golang-1.19-go'),
    /no Go compiler answers as "\/nowhere\/bin\/go": apt-get install golang-1\.19-go/,
  );
});

void test('modules of the same repository are taken from the registry, and replacements that nobody needs are dropped', () => {
  const edits = siblingEdits(
    {
      Require: [{ Path: 'k8s.io/api' }, { Path: 'example.com/fork' }],
      Replace: [
        { Old: { Path: 'k8s.io/api' }, New: { Path: './staging/src/k8s.io/api' } },
        { Old: { Path: 'go.etcd.io/etcd' }, New: { Path: '../FORBIDDEN' } },
        { Old: { Path: 'example.com/fork' }, New: { Path: 'example.com/other' } },
      ],
    },
    'v0.36.4',
  );
  assert.deepEqual(edits, ['-replace=k8s.io/api=k8s.io/api@v0.36.4', '-dropreplace=go.etcd.io/etcd']);
  assert.deepEqual(siblingEdits({ Require: [], Replace: null }, 'v1.0.0'), []);
});

void test('a Go that is not the pinned one and cannot fetch it is refused with what to do', async (t) => {
  const directory = await temporaryDirectory(t);
  // A Go before 1.21 does not know GOTOOLCHAIN: it answers with its own version.
  await writeFile(join(directory, 'go'), '#!/bin/sh\necho go version go1.19.8 linux/amd64\n', { mode: 0o755 });
  const path = process.env['PATH'];
  t.after(() => (process.env['PATH'] = path));
  process.env['PATH'] = `${directory}:${path ?? ''}`;
  await assert.rejects(
    pinnedGo('1.26.8'),
    /the plan builds with Go 1\.26\.8, "go" is 1\.19\.8: install Go 1\.26\.8 and put it first on PATH/,
  );
  assert.deepEqual(await pinnedGo('1.19.8'), { command: 'go', version: '1.19.8' });
});
