import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Packages of npm are others' code, on the machines of developers and in the worker's image. */

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };

test('every package that is fetched, on whichever machine, is pinned by its digest and from no other place than the registry', () => {
  const fetched = Object.entries(packages).filter(([path]) => path !== '');
  assert.ok(fetched.length > 100);
  for (const [path, { version, resolved, integrity, link }] of fetched) {
    assert.match(version ?? '', /^\d+\.\d+\.\d+/, path);
    assert.match(integrity ?? '', /^sha512-[A-Za-z0-9+/]{86}==$/, path);
    assert.ok(link !== true, path);
    assert.equal(resolved, undefined, path);
  }
});

test('no package runs a script of its own while it is installed, here and in the image', () => {
  assert.equal(execFileSync('npm', ['config', 'get', 'ignore-scripts'], { encoding: 'utf8' }).trim(), 'true');
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  assert.match(dockerfile, /^COPY .*\.npmrc \.\/\n(?!COPY)RUN npm ci /m);
});
