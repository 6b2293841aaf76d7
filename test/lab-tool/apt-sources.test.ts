import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseDeb822, parseSourcesList, releaseSource, sourcesListFor } from '../../lab/apt-sources.js';

suite('apt sources', () => {
  test('a one-line file gives its binary sources with their options', () => {
    const sources = parseSourcesList(`
# deb http://off.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib   # comment
deb [arch=amd64 signed-by=/k/ring.gpg] https://mirror.example/debian bookworm-updates main
deb-src http://mirror.example/debian bookworm main
`);
    assert.deepEqual(sources, [
      { uri: 'http://mirror.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
      {
        uri: 'https://mirror.example/debian',
        suite: 'bookworm-updates',
        components: ['main'],
        signedBy: '/k/ring.gpg',
      },
    ]);
  });

  test('a deb822 file gives one source for each address and suite of each enabled stanza', () => {
    const sources = parseDeb822(`Types: deb deb-src
# a comment between fields
URIs: http://one.example/debian
 http://two.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k/ring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`);
    assert.deepEqual(
      sources.map(({ uri, suite: name, signedBy }) => [uri, name, signedBy]),
      [
        ['http://one.example/debian', 'bookworm', '/k/ring.gpg'],
        ['http://one.example/debian', 'bookworm-updates', '/k/ring.gpg'],
        ['http://two.example/debian', 'bookworm', '/k/ring.gpg'],
        ['http://two.example/debian', 'bookworm-updates', '/k/ring.gpg'],
      ],
    );
  });

  test('a key written into a deb822 stanza is not taken for a file', () => {
    const [source] = parseDeb822(`Types: deb
URIs: http://one.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYB
 -----END PGP PUBLIC KEY BLOCK-----
`);
    assert.deepEqual(source, { uri: 'http://one.example/debian', suite: 'bookworm', components: ['main'] });
  });

  test('sources without signature checks or with credentials in the address are left out', () => {
    assert.deepEqual(parseSourcesList('deb [trusted=yes] http://one.example/debian bookworm main'), []);
    assert.deepEqual(parseSourcesList('deb http://user:pw@one.example/debian bookworm main'), []);
    const stanza = 'Types: deb\nURIs: http://user:pw@one.example/debian\nSuites: bookworm\nComponents: main\n';
    assert.deepEqual(parseDeb822(stanza), []);
    assert.deepEqual(parseDeb822(stanza.replace('user:pw@', '').concat('Trusted: yes\n')), []);
  });

  test("the release's own archive is found among updates, other products and local files", () => {
    const sources = parseSourcesList(`deb http://one.example/debian bookworm-updates main
deb file:/srv/debian bookworm main
deb https://product.example/apt product main
deb http://one.example/debian bookworm contrib
deb http://two.example/debian bookworm main`);
    assert.equal(releaseSource(sources, 'bookworm')?.uri, 'http://two.example/debian');
    assert.equal(releaseSource(sources, 'trixie'), undefined);
  });

  test('the list for a host has the release, its updates and its security fixes, and no other product', () => {
    const sources = parseSourcesList(`deb http://one.example/debian bookworm main
deb [signed-by=/k/ring.gpg] http://one.example/security bookworm-security main
deb https://product.example/apt product main`);
    assert.equal(
      sourcesListFor(sources, 'bookworm'),
      'deb http://one.example/debian bookworm main\ndeb [signed-by=/k/ring.gpg] http://one.example/security bookworm-security main\n',
    );
  });
});
