import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { removalFunctions } from '../../activities/host-state/removal-script.js';
import { call, script } from '../../activities/host-state/shell.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/**
 * Runs the script's `uninstall` with the real dpkg, against records in a directory of the test's own.
 *
 * @param packages - status of each, and what it depends on
 * @returns what the script printed, and the packages of which dpkg still knows something
 */
async function uninstall(
  t: TestContext,
  packages: Record<string, { status: string; depends?: string }>,
  ...words: string[]
): Promise<{ output: string; left: Record<string, string> }> {
  const records = await temporaryDirectory(t);
  await mkdir(join(records, 'info'));
  await mkdir(join(records, 'updates'));
  await mkdir(join(records, 'triggers'));
  await writeFile(join(records, 'available'), '');
  const entries = Object.entries(packages).map(([name, { status, depends }]) =>
    [
      `Package: ${name}`,
      `Status: ${status}`,
      'Maintainer: x <x@example.org>',
      'Architecture: all',
      'Version: 1.0',
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      ...(status.endsWith('config-files') ? ['Conffiles:', ` ${records}/x d41d8cd98f00b204e9800998ecf8427e`] : []),
      'Description: x',
      '',
    ].join('\n'),
  );
  await writeFile(join(records, 'status'), entries.join('\n'));
  await Promise.all(Object.keys(packages).map((name) => writeFile(join(records, 'info', `${name}.list`), '/.\n')));
  const functions = `${removalFunctions}\ndpkg() { command dpkg --log=/dev/null "$@"; }`;
  const output = execFileSync('sh', ['-s'], {
    input: script(functions, [call('uninstall', ...words)]),
    env: { ...process.env, DPKG_ADMINDIR: records },
    encoding: 'utf8',
  });
  const left = [...(await readFile(join(records, 'status'), 'utf8')).matchAll(/^Package: (.*)\nStatus: (.*)$/gm)];
  return { output, left: Object.fromEntries(left.map(([, name = '', status = '']) => [name, status])) };
}

const whole = { status: 'install ok installed' };

test('packages go with their configuration, also one that was killed while it was unpacked', async (t) => {
  const { left } = await uninstall(
    t,
    {
      whole,
      needs: { ...whole, depends: 'whole' },
      killed: { status: 'install reinstreq half-installed' },
      unpacked: { status: 'install ok unpacked' },
      removed: { status: 'deinstall ok config-files' },
      theirs: whole,
    },
    ...['purge', 'whole', 'needs', 'killed', 'unpacked', 'removed', 'absent'],
  );
  assert.deepEqual(left, { theirs: 'install ok installed' });
});

test('a package that others have been installed upon stays, and is named', async (t) => {
  const { output, left } = await uninstall(
    t,
    { ours: whole, needed: whole, theirs: { ...whole, depends: 'needed' } },
    ...['purge', 'ours', 'needed'],
  );
  assert.match(output, /left: other packages need needed/);
  assert.deepEqual(left, { needed: 'install ok installed', theirs: 'install ok installed' });
});

test('with nothing left to remove, dpkg is not asked to', async (t) => {
  const { output } = await uninstall(t, { theirs: whole }, 'purge', 'absent');
  assert.equal(output, '');
});
