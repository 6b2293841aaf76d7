import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { baseImageName, baseRecipe } from '../../lab/base-recipe.js';
import { hierarchies } from '../../lab/cgroups.js';
import { parseMountInfo } from '../../lab/mounts.js';
import { macAddress, overlapping } from '../../lab/network.js';
import { nspawnArguments } from '../../lab/nspawn.js';
import { labPaths } from '../../lab/paths.js';
import { knownHostsLine, sshArguments } from '../../lab/ssh.js';

const paths = labPaths({ HA_KUBERNETES_LAB: '/srv/lab', HA_KUBERNETES_CACHE: '/srv/cache' });

suite('what the lab reads from the machine', () => {
  test('a line of mountinfo is read with its optional fields and escaped characters', () => {
    const text = `36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
`;
    assert.deepEqual(parseMountInfo(text), [
      { root: '/mnt1', mountPoint: '/mnt 2', type: 'ext3', source: '/dev/root' },
      { root: '/', mountPoint: '/sys/fs/cgroup/systemd', type: 'cgroup', source: 'cgroup' },
    ]);
  });

  test("only the machine's own cgroup hierarchies count, once each", () => {
    const mount = (mountPoint: string, type: string, root = '/'): Parameters<typeof hierarchies>[0][number] => ({
      mountPoint,
      type,
      root,
      source: type,
    });
    const found = hierarchies([
      mount('/sys/fs/cgroup', 'tmpfs'),
      mount('/sys/fs/cgroup/memory', 'cgroup'),
      mount('/sys/fs/cgroup/memory', 'cgroup'),
      mount('/sys/fs/cgroup/unified', 'cgroup2'),
      mount('/srv/container/sys/fs/cgroup/memory', 'cgroup'),
      mount('/sys/fs/cgroup/cpu', 'cgroup', '/nested'),
    ]);
    assert.deepEqual(found, [
      { directory: '/sys/fs/cgroup/memory', type: 'cgroup' },
      { directory: '/sys/fs/cgroup/unified', type: 'cgroup2' },
    ]);
  });

  test("a route that overlaps the lab's network is found, wider or narrower, and the lab's own is not", () => {
    const uses = ['default', '172.16.0.0/12', '172.16.0.9', '172.16.1.0/24', '10.0.0.0/8', '172.16.0.128/25'];
    assert.deepEqual(
      overlapping([
        ...uses.map((network) => ({ network, link: 'eth0' })),
        { network: '172.16.0.0/24', link: 'hk-machine' },
      ]).map(({ network }) => network),
      ['172.16.0.0/12', '172.16.0.9', '172.16.0.128/25'],
    );
  });

  test('a state directory whose path a mount option would misread is refused', () => {
    assert.throws(() => labPaths({ HA_KUBERNETES_LAB: '/srv/a:b' }), /HA_KUBERNETES_LAB is "\/srv\/a:b"/);
    assert.throws(() => labPaths({ HA_KUBERNETES_LAB: '/' }), /other than \//);
  });
});

suite('what the lab tells other programs', () => {
  test('nspawn gets what a host needs and nothing of the machine', () => {
    const args = nspawnArguments(paths, 'master01');
    for (const expected of [
      '--register=no',
      '--keep-unit',
      '--network-namespace-path=/run/netns/hk-master01',
      '--capability=all',
      '--system-call-filter=@keyring',
      '--bind=/dev/kmsg',
      '--bind=/srv/lab/hosts/master01/volumes/containerd:/var/lib/containerd',
      '--resolv-conf=off',
    ]) {
      assert.ok(args.includes(expected), expected);
    }
    assert.equal(args[args.indexOf('--directory') + 1], '/srv/lab/hosts/master01/root');
    assert.equal(args[args.indexOf('--machine') + 1], 'master01');
  });

  test("ssh believes the lab's known_hosts only, and offers the lab's key only", () => {
    const args = sshArguments(paths, { name: 'node01', address: '172.16.0.104' }, ['hostname', '-f']);
    assert.deepEqual(args.slice(0, 2), ['-F', 'none']);
    assert.deepEqual(args.slice(-4), ['root@172.16.0.104', '--', 'hostname', '-f']);
    assert.ok(args.includes('StrictHostKeyChecking=yes'));
    assert.ok(args.includes('UserKnownHostsFile=/srv/lab/ssh/known_hosts'));
    assert.ok(args.includes('IdentitiesOnly=yes'));
  });

  test('a line of known_hosts names the host by name and address, without the comment of the key', () => {
    assert.equal(
      knownHostsLine({ name: 'node01', address: '172.16.0.104' }, 'ssh-ed25519 AAAA root@node01\n'),
      'node01,172.16.0.104 ssh-ed25519 AAAA\n',
    );
  });

  test('a host has the same locally administered MAC after every power cycle', () => {
    assert.equal(macAddress('172.16.0.104'), '02:00:ac:10:00:68');
  });

  test('the name of a base image follows its recipe', () => {
    const recipe = baseRecipe('bookworm', 'amd64');
    assert.equal(baseImageName(recipe), baseImageName(baseRecipe('bookworm', 'amd64')));
    assert.notEqual(baseImageName(recipe), baseImageName(baseRecipe('trixie', 'amd64')));
    assert.notEqual(baseImageName(recipe), baseImageName({ ...recipe, packages: [...recipe.packages, 'vim'] }));
  });
});
