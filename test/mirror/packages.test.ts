import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { closureFiles, packageOfFile } from '../../lab/mirror/apt.js';
import { mirrorName, packageSets } from '../../lab/mirror/packages.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

void test('the files of a closure are read from what apt prints, and other lines are passed over', () => {
  const output = [
    'Reading package lists...',
    "'http://archive.example/pool/main/s/socat/socat_1.7.4.4-2_amd64.deb' socat_1.7.4.4-2_amd64.deb 375624 MD5Sum:00",
    "'http://archive.example/pool/main/c/c/conntrack_1.4.7-1+b2_amd64.deb' conntrack_1%3a1.4.7-1+b2_amd64.deb 34 SHA256:11",
    '',
  ].join('\n');
  assert.deepEqual(closureFiles(output), ['socat_1.7.4.4-2_amd64.deb', 'conntrack_1%3a1.4.7-1+b2_amd64.deb']);
});

void test('an epoch is part of the version that is asked for, and not of the name in the mirror', () => {
  assert.equal(packageOfFile('conntrack_1%3a1.4.7-1+b2_amd64.deb'), 'conntrack=1:1.4.7-1+b2');
  assert.equal(mirrorName('conntrack_1%3a1.4.7-1+b2_amd64.deb'), 'conntrack_1.4.7-1+b2_amd64.deb');
  assert.equal(packageOfFile('netbase_6.4_all.deb'), 'netbase=6.4');
  assert.equal(mirrorName('netbase_6.4_all.deb'), 'netbase_6.4_all.deb');
  assert.throws(() => packageOfFile('readme.txt'), /"readme.txt" is not the name of a package file/);
});

void test('a package set lists each file of its closure with its digest', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'socat_1_amd64.deb'), 'abc');
  const closures = { socat: ['socat_2%3a1_amd64.deb'], curl: [] };
  assert.deepEqual(await packageSets(closures, directory, 'debian-12', 'packages/debian-12'), [
    {
      distribution: 'debian-12',
      arch: 'amd64',
      name: 'socat',
      files: [
        {
          path: 'packages/debian-12/socat_1_amd64.deb',
          // FIPS 180-2's own example.
          sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        },
      ],
    },
    { distribution: 'debian-12', arch: 'amd64', name: 'curl', files: [] },
  ]);
});
