import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'node:test';
import { UserError } from '../../client/errors.js';
import { readSpec } from '../../client/spec-file.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const seed = await readFile(fileURLToPath(new URL('../../../examples/seed.yaml', import.meta.url)), 'utf8');

/** The seed's file with some of its text replaced (from, to, from, to, ...), in a directory of its own. */
async function seedWith(t: TestContext, ...replacements: string[]): Promise<string> {
  let text = seed;
  for (let index = 0; index < replacements.length; index += 2) {
    const [from = '', to = ''] = replacements.slice(index, index + 2);
    assert.ok(text.includes(from), `the seed has no ${from}`);
    text = text.replace(from, to);
  }
  const path = join(await temporaryDirectory(t), 'cluster.yaml');
  await writeFile(path, text);
  return path;
}

/** What a user is told about a file that cannot be used. */
async function refusal(path: string): Promise<string> {
  try {
    await readSpec(path);
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }
  return assert.fail('the file was accepted');
}

/** Number of the first line of the seed that has this text. */
function lineOf(text: string): number {
  return seed.split('\n').findIndex((line) => line.includes(text)) + 1;
}

test('the seed is read with its defaults', async (t) => {
  const spec = await readSpec(await seedWith(t, 'mykernel.cn', 'mykernel.cn'));
  assert.equal(spec.hosts.length, 6);
  assert.equal(spec.network.nodeMask, 24);
});

test('a problem is told with the file, its line, the value, what is allowed and the fix', async (t) => {
  const path = await seedWith(t, 'address: 172.16.0.104', 'address: 172.16.0.404');
  assert.equal(
    await refusal(path),
    [
      `${path} cannot be used (nothing was touched):`,
      `  ${path}:${lineOf('172.16.0.104')}: hosts[3].address`,
      '    is:      "172.16.0.404"',
      '    allowed: an IPv4 address such as 172.16.0.101',
      '    fix:     write an IPv4 address such as 172.16.0.101',
    ].join('\n'),
  );
});

test('a field that is missing is told at the line of what it is missing from', async (t) => {
  const path = await seedWith(t, '    address: 172.16.0.104\n', '');
  const text = await refusal(path);
  assert.ok(text.includes(`${path}:${lineOf('name: node01')}: hosts[3].address`), text);
  assert.match(text, /is: {6}missing\n.*\n {4}fix: {5}add the field/);
});

test('a field that is missing at the top is told without a line', async (t) => {
  const path = await seedWith(t, 'domain: mykernel.cn', '');
  assert.ok((await refusal(path)).includes(`\n  ${path}: domain\n`));
});

test('a secret is told by its line and not repeated', async (t) => {
  const path = await seedWith(t, 'user: root', 'user: root\n  password: hunter2');
  const text = await refusal(path);
  assert.ok(text.includes(`${path}:${lineOf('user: root') + 1}: ssh.password`), text);
  assert.ok(!text.includes('hunter2'));
});

test('what is not YAML is told with its line', async (t) => {
  const path = await seedWith(t, 'name: mykernel', 'name: [mykernel');
  assert.match(
    await refusal(path),
    /cluster\.yaml cannot be used: no valid YAML at line \d+, column \d+ \(bad indent\)/,
  );
});

test('a key given twice is refused, since one of the two would be lost', async (t) => {
  const path = await seedWith(t, 'name: mykernel', 'name: mykernel\nname: other');
  assert.match(await refusal(path), /no valid YAML at line \d+, column 1 \(duplicate key\)/);
});

test('an empty file is one clear error', async (t) => {
  const path = join(await temporaryDirectory(t), 'cluster.yaml');
  await writeFile(path, '');
  assert.match(await refusal(path), /: the file\n {4}is: {6}null\n {4}allowed: a value of type object/);
});

test('a file that is not there is told with what to do', async (t) => {
  const path = join(await temporaryDirectory(t), 'missing.yaml');
  assert.equal(
    await refusal(path),
    `cannot read ${path} (ENOENT); name a cluster file with -f, such as examples/today.yaml`,
  );
});

test('relative paths become absolute beside the file; home directories and addresses stay', async (t) => {
  const path = await seedWith(
    t,
    'identityFile: ~/.ssh/id_ed25519',
    'identityFile: keys/id\n  knownHosts: /etc/known',
    'domain: mykernel.cn',
    'domain: mykernel.cn\nartifacts: { mirror: mirror, lock: ../lock.yaml }',
  );
  const spec = await readSpec(path);
  const directory = join(path, '..');
  assert.equal(spec.ssh.identityFile, join(directory, 'keys/id'));
  assert.equal(spec.ssh.knownHosts, '/etc/known');
  assert.deepEqual(spec.artifacts, { mirror: join(directory, 'mirror'), lock: join(directory, '../lock.yaml') });

  const home = await readSpec(
    await seedWith(t, 'hosts:\n', 'artifacts: { mirror: "https://mirror.example.org/k8s" }\nhosts:\n'),
  );
  assert.equal(home.ssh.identityFile, '~/.ssh/id_ed25519');
  assert.equal(home.artifacts.mirror, 'https://mirror.example.org/k8s');
});

test("a host's relative paths become absolute too, and what it does not say stays unsaid", async (t) => {
  const path = await seedWith(
    t,
    'address: 172.16.0.106',
    'address: 172.16.0.106\n    ssh: { identityFile: keys/node03 }',
  );
  const host = (await readSpec(path)).hosts.find(({ name }) => name === 'node03');
  assert.deepEqual(host?.ssh, { identityFile: join(path, '..', 'keys/node03') });
});

test('a file that refers to itself, or unfolds without end, is refused and not followed', async (t) => {
  const path = join(await temporaryDirectory(t), 'cluster.yaml');
  const bomb = Array.from({ length: 12 }, (_, i) => `x${i}: &x${i} [${i === 0 ? '1' : `*x${i - 1}, `.repeat(9)}]`);
  for (const [text, why] of [
    ['name: &a [*a]\n', /an anchor .* holds an alias/],
    ['name: demo\nhosts: &h\n  - more: *h\n', /an anchor .* holds an alias/],
    ['name: *nobody\n', /has no anchor/],
    [bomb.join('\n'), /more than 100/],
  ] as const) {
    await writeFile(path, text);
    assert.match(await refusal(path), why);
  }
});

test('a file that is no cluster file is not shown', async (t) => {
  const path = join(await temporaryDirectory(t), 'cluster.yaml');
  for (const text of [
    'TOKEN=s3cret\nexport "x: [s3cret',
    's3cret: [*s3cret]',
    'key: "s3cret',
    'a: 1\na: s3cret: x',
    's3cret',
  ]) {
    await writeFile(path, text);
    const told = await refusal(path);
    assert.doesNotMatch(told, /s3cret/);
    assert.ok(told.startsWith(`${path} cannot be used`), told);
  }
});
