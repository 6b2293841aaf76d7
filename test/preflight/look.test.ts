import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { preflightScript, reachScript, type Question } from '../../activities/preflight/look.js';
import { factsScript, parseFacts } from '../../cluster/facts.js';
import { Report } from '../../cluster/preflight/report.js';
import { freePort, listen } from '../support/loopback.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A host of files and programs of a test's own; nothing of this machine is asked but where the test says so. */
async function host(
  t: TestContext,
  files: Record<string, string>,
  programs: Record<string, string> = {},
): Promise<{ root: string; run: (script: string) => Promise<string> }> {
  const root = await temporaryDirectory(t);
  const bin = join(root, 'test-bin');
  const silent = ['systemctl', 'ss', 'ip', 'nft', 'ctr', 'iptables-nft-save', 'iptables-legacy-save'];
  const all = {
    'etc/os-release': 'ID=debian\nVERSION_ID=12\n',
    'proc/1/comm': 'systemd\n',
    ...files,
    ...Object.fromEntries(silent.map((name) => [`test-bin/${name}`, '#!/bin/sh\nexit 1\n'])),
    ...Object.fromEntries(Object.entries(programs).map(([name, body]) => [`test-bin/${name}`, `#!/bin/sh\n${body}\n`])),
  };
  for (const [name, text] of Object.entries(all)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
    if (name.startsWith('test-bin/')) await chmod(join(root, name), 0o755);
  }
  const run = async (script: string): Promise<string> => {
    const asked = promisify(execFile)('sh', ['-s'], { env: { PATH: `${bin}:/usr/bin:/bin` }, timeout: 30_000 });
    asked.child.stdin?.end(script);
    const { stdout, stderr } = await asked;
    assert.equal(stderr, '');
    return stdout;
  };
  return { root, run };
}

async function look(
  t: TestContext,
  files: Record<string, string>,
  programs: Record<string, string> = {},
  question: Partial<Question> = {},
): Promise<Report> {
  const { root, run } = await host(t, files, programs);
  return new Report(await run(preflightScript({ units: [], ...question, root })));
}

const says = (...lines: string[]): string => `cat <<'END'\n${lines.join('\n')}\nEND\n`;

test('the look is a script that a POSIX shell can read', () => {
  const { status, stderr } = spawnSync('sh', ['-n'], {
    input: preflightScript({ units: ['a.service'] }),
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('a bare host says what it is, and of others nothing', async (t) => {
  const report = await look(t, { 'etc/machine-id': 'abc\n' });
  assert.deepEqual([report.word('init'), report.word('machine-id'), report.word('like')], ['systemd', 'abc', 'debian']);
  assert.match(report.word('clock'), /^\d{13}$/);
  const spaces = report.all('space');
  assert.equal(spaces.length, 4);
  for (const [path = '', mount = '', ...numbers] of spaces) {
    assert.match(`${path} ${mount} ${numbers.join(' ')}`, /^\/\S+ \/\S* \d+ \d+ ?\d*$/);
  }
  for (const key of [
    'journal',
    'authority',
    'kubeconfig',
    'kubernetes-file',
    'port',
    'cni',
    'link',
    'container-of',
    'drops',
  ])
    assert.ok(!report.has(key), key);
});

test('the owner of a port is the unit of its process, under either kind of control groups', async (t) => {
  const listener = (port: number, name: string, pid: number): string =>
    `LISTEN 0 4096 172.16.0.1:${port} 0.0.0.0:* users:(("${name}",pid=${pid},fd=7))`;
  const report = await look(
    t,
    {
      'proc/11/cgroup': '12:pids:/lab/x\n1:name=systemd:/lab/x/system.slice/etcd.service\n0::/lab/x\n',
      'proc/12/cgroup': '0::/system.slice/patroni.service\n',
      'proc/13/cgroup': '0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-77.scope\n',
      'proc/14/cgroup': '0::/user.slice/user-0.slice/session-3.scope\n',
    },
    {
      ss: says(
        listener(2379, 'etcd', 11),
        listener(2380, 'etcd', 12),
        listener(6443, 'kube-apiserver', 13),
        listener(8080, 'my program', 14),
        'LISTEN 0 4096 [::]:2049 [::]:*',
      ),
    },
  );
  assert.deepEqual(
    report.all('port').map((words) => words.join(' ')),
    [
      '2379 etcd.service etcd',
      '2380 patroni.service etcd',
      '6443 cri-containerd-77.scope kube-apiserver',
      '8080 session-3.scope my program',
      '2049 - -',
    ],
  );
});

test('a unit tells where it comes from, and which drop-ins set its command', async (t) => {
  const kubeadm = '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf';
  const limits = '/etc/systemd/system/kubelet.service.d/limits.conf';
  const systemctl = [
    'case $* in',
    `  *DropInPaths*kubelet.service) echo "DropInPaths=${kubeadm} ${limits}" ;;`,
    '  *DropInPaths*) echo DropInPaths= ;;',
    '  *--version*) echo "systemd 252 (252.1)" ;;',
    '  *kubelet.service) printf "FragmentPath=/lib/systemd/system/kubelet.service\\nActiveState=active\\nUnitFileState=enabled\\n" ;;',
    '  *) printf "FragmentPath=\\nActiveState=inactive\\nUnitFileState=\\n" ;;',
    'esac',
  ].join('\n');
  const report = await look(
    t,
    {
      [kubeadm.slice(1)]: '[Service]\nExecStart=\nExecStart=/usr/bin/kubelet\n',
      [limits.slice(1)]: '[Service]\nLimitNOFILE=1\n',
    },
    { systemctl },
    { units: ['etcd.service', 'kubelet.service'] },
  );
  assert.equal(report.word('systemd'), '252');
  assert.equal(report.unit('kubelet.service', 'FragmentPath'), '/lib/systemd/system/kubelet.service');
  assert.equal(report.unit('etcd.service', 'FragmentPath'), '');
  assert.deepEqual(report.all('drop-in'), [
    ['kubelet.service', kubeadm, 'command'],
    ['kubelet.service', limits, 'other'],
  ]);
});

test('containers are told by their namespace, those that do not run as well', async (t) => {
  const task = 'run/containerd/io.containerd.runtime.v2.task';
  const running = await look(t, {
    [`${task}/moby/1/init.pid`]: '1',
    [`${task}/default/2/init.pid`]: '1',
    [`${task}/k8s.io/3/init.pid`]: '1',
  });
  assert.deepEqual(running.all('container-of'), [['default'], ['k8s.io'], ['moby']]);
});

test("Kubernetes' own files tell whose cluster they lead to", async (t) => {
  const authority = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
  const digest = createHash('sha256').update(authority).digest('hex');
  const embedded = `clusters:\n- cluster:\n    certificate-authority-data: ${Buffer.from(authority).toString('base64')}\n`;
  const report = await look(t, {
    'etc/kubernetes/kubelet.conf': embedded,
    'etc/kubernetes/admin.conf': 'clusters:\n- cluster:\n    certificate-authority: /etc/kubernetes/pki/ca.crt\n',
    'etc/kubernetes/none.conf': 'clusters: []\n',
    'etc/kubernetes/pki/ca.crt': authority,
    'etc/kubernetes/manifests/etcd.yaml': 'x',
    'var/lib/etcd/member/snap/db': 'x',
    'var/lib/ha-kubernetes/undo/cluster': 'small\n',
    'var/lib/ha-kubernetes/undo/records': 'unit etcd.service - inactive .\nfile /etc/a%20b absent .\nunit cut.serv',
    'etc/cni/net.d/10-calico.conflist': '{}',
    'etc/cni/net.d/README': 'x',
  });
  assert.deepEqual(report.all('kubeconfig'), [
    ['/etc/kubernetes/admin.conf', digest],
    ['/etc/kubernetes/kubelet.conf', digest],
    ['/etc/kubernetes/none.conf', '-'],
  ]);
  assert.deepEqual(report.all('authority'), [['/etc/kubernetes/pki/ca.crt', digest]]);
  assert.ok(report.all('kubernetes-file').some(([path]) => path === '/etc/kubernetes/manifests/etcd.yaml'));
  assert.equal(report.word('etcd-data'), '/var/lib/etcd');
  assert.equal(report.journal, 'small');
  assert.deepEqual([report.made('unit', 'etcd.service'), report.made('unit', 'cut.serv')], [true, false]);
  assert.deepEqual(report.all('cni'), [['/etc/cni/net.d/10-calico.conflist']]);
});

test('the network tells addresses, ways, packet filters, and what an earlier pod network left', async (t) => {
  const report = await look(
    t,
    { 'etc/ufw/ufw.conf': 'ENABLED=yes\nLOGLEVEL=low\n' },
    {
      ip: [
        'case $* in',
        `  '-4 -o addr show') ${says('2: eth0    inet 172.16.0.101/24 brd 172.16.0.255 scope global eth0')} ;;`,
        `  '-4 route show') ${says('default via 172.16.0.1 dev eth0 proto dhcp', '172.16.0.0/24 dev eth0 proto kernel scope link', '10.9.9.9 via 172.16.0.7 dev eth0', 'blackhole 10.1.0.0/16')} ;;`,
        "  'link show cni0') ;;",
        '  *) exit 1 ;;',
        'esac',
      ].join('\n'),
      'iptables-nft-save': says('*nat', ':KUBE-SERVICES - [0:0]', 'COMMIT'),
      'iptables-legacy-save': says('*filter', ':INPUT DROP [0:0]', 'COMMIT'),
      nft: `case $* in 'list chains') ${says('table inet site {', '  chain input {', '    type filter hook input priority filter; policy drop;', '  }', '  chain way {', '    type filter hook forward priority filter; policy drop;', '  }', '  chain open {', '    type filter hook output priority filter; policy accept;', '  }', '}')} ;; *) exit 1 ;; esac`,
    },
  );
  const lines = (key: string): string[] => report.all(key).map((words) => words.join(' '));
  assert.deepEqual(lines('address'), ['172.16.0.101']);
  assert.deepEqual(lines('gateway'), ['172.16.0.1', '172.16.0.7']);
  assert.deepEqual(lines('route'), ['172.16.0.0/24 eth0', '10.9.9.9/32 eth0']);
  assert.deepEqual(lines('link'), ['cni0']);
  assert.deepEqual(lines('service-rules'), ['iptables-nft']);
  assert.deepEqual(lines('firewall'), ['ufw']);
  assert.deepEqual(lines('drops'), ['input inet site', 'forward inet site', 'input ip filter']);
});

test('kernel settings are told in the order of a boot, the first directory of a name alone', async (t) => {
  const report = await look(t, {
    'etc/sysctl.d/99-sysctl.conf': '# vm.panic_on_oom=7\n; x=1\n  vm.panic_on_oom = 1 \n-kernel/panic=0\nbroken line\n',
    'etc/sysctl.d/zz-ha-kubernetes-vm.panic_on_oom.conf': 'vm.panic_on_oom = 0\n',
    'usr/lib/sysctl.d/99-sysctl.conf': 'vm.panic_on_oom = 2\n',
    'usr/lib/sysctl.d/50-default.conf': 'kernel.sysrq = 0x01b6\n',
    'run/sysctl.d/zzz.conf': 'a.b = 1 2\n',
    'etc/sysctl.d/README': 'c.d = 1\n',
  });
  assert.deepEqual(
    report.all('boot').map((words) => words.join(' ')),
    [
      '/usr/lib/sysctl.d/50-default.conf kernel.sysrq 0x01b6',
      '/etc/sysctl.d/99-sysctl.conf vm.panic_on_oom 1',
      '/etc/sysctl.d/99-sysctl.conf kernel/panic 0',
      '/etc/sysctl.d/zz-ha-kubernetes-vm.panic_on_oom.conf vm.panic_on_oom 0',
      '/run/sysctl.d/zzz.conf a.b 1 2',
    ],
  );
});

test('a port on which nobody listens can be reached all the same, as the kernel says so', async (t) => {
  const { run } = await host(t, {});
  const server = createServer();
  const port = await listen(server);
  t.after(() => server.close());
  const closed = await freePort();
  const output = await run(
    reachScript([
      { address: '127.0.0.1', port },
      { address: '127.0.0.1', port: closed },
      // Nothing routes to a broadcast address: what a host that is off, or a filter, looks like.
      { address: '255.255.255.255', port: 9 },
    ]),
  );
  assert.deepEqual(
    output.split('\n').slice(0, -1).sort(),
    [`reach 127.0.0.1 ${closed} refused`, `reach 127.0.0.1 ${port} open`, 'reach 255.255.255.255 9 no'].sort(),
  );
});

const stub = 'nameserver 127.0.0.53\noptions edns0\n';
const resolvers: readonly (readonly [string, Record<string, string>, string, readonly string[]])[] = [
  ['a file of its own', { 'etc/resolv.conf': 'nameserver 9.9.9.9\n' }, '/etc/resolv.conf', ['9.9.9.9']],
  [
    'the stub of systemd-resolved',
    { 'etc/resolv.conf': stub, 'run/systemd/resolve/resolv.conf': '# x\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n' },
    '/run/systemd/resolve/resolv.conf',
    ['10.0.0.2', '10.0.0.3'],
  ],
  [
    'a file of its own beside a systemd-resolved that knows no server',
    { 'etc/resolv.conf': 'nameserver 9.9.9.9\n', 'run/systemd/resolve/resolv.conf': '# No DNS servers known.\n' },
    '/etc/resolv.conf',
    ['9.9.9.9'],
  ],
  [
    'dnsmasq on the host',
    { 'etc/resolv.conf': 'nameserver 127.0.0.1\nnameserver 9.9.9.9\n' },
    '/etc/resolv.conf',
    ['127.0.0.1', '9.9.9.9'],
  ],
  ['unbound by IPv6', { 'etc/resolv.conf': 'nameserver ::1\n' }, '/etc/resolv.conf', ['::1']],
  [
    'a stub, and nothing behind it',
    { 'etc/resolv.conf': stub, 'run/systemd/resolve/resolv.conf': '' },
    '/etc/resolv.conf',
    ['127.0.0.53'],
  ],
  ['no file', {}, '/etc/resolv.conf', []],
];

for (const [title, files, path, servers] of resolvers) {
  test(`pods ask the right servers on a host with ${title}`, async (t) => {
    const { root, run } = await host(t, files);
    const output = await run(factsScript(root));
    assert.equal(parseFacts(output).resolvConf, path);
    assert.deepEqual(
      new Report(output).all('nameserver').map(([server]) => server),
      servers,
    );
  });
}

test('a host says which service keeps its clock, unless that is chrony', async (t) => {
  for (const [active, told] of [
    ['systemd-timesyncd', 'systemd-timesyncd'],
    ['ntpsec', 'ntpsec'],
    ['chrony', undefined],
    ['nothing', undefined],
  ] as const) {
    const { root, run } = await host(t, {}, { systemctl: `[ "$*" = '-q is-active ${active}.service' ]` });
    assert.equal(parseFacts(await run(factsScript(root))).timeService, told);
  }
});
