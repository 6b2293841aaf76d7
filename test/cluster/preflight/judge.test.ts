import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, ourNode, ourStore, spec } from './reports.js';

type Found = Readonly<Record<string, readonly string[]>>;

test('a bare host is fit, tells its clock and its machine id, and nothing else', () => {
  for (const host of ['master01', 'node01']) {
    assert.deepEqual(judge(host), {
      problems: [],
      notes: [],
      cutOff: [],
      clockMs: 1_700_000_000_000,
      machineId: 'aa',
    });
  }
});

const oneService = (unit: string, path: string, active: string, enabled: string): string[] => [
  `${unit} FragmentPath=${path}`,
  `${unit} ActiveState=${active}`,
  `${unit} UnitFileState=${enabled}`,
];

/** What somebody may find on a host, and the one sentence that must come of it: what, the value, the fix. */
const unfit: readonly (readonly [title: string, host: string, found: Found, problem: RegExp])[] = [
  ['another account than root', 'node01', { user: ['1000'] }, /^commands run as user 1000; .*sudo/],
  ['an init that is not systemd', 'node01', { init: ['runit'] }, /first process is runit; systemd is needed/],
  ['a systemd without credentials', 'node01', { systemd: ['245'] }, /has systemd 245; 247 or newer/],
  ['a container that is taken for a machine', 'node01', { container: ['lxc'] }, /write hostKind: container/],
  ['Rocky Linux', 'node01', { like: ['rocky rhel centos fedora'], apt: [] }, /distribution is rocky; Debian or Ubuntu/],
  ['no openssl', 'node01', { openssl: [] }, /^openssl is missing; .*install the package openssl$/],
  ['a Debian without apt', 'node01', { apt: [] }, /distribution is debian; .* with apt, is needed/],
  [
    'swap, where pods run',
    'node01',
    { swap: ['/dev/sda2', '/swap.img'] },
    /^swap is on \(\/dev\/sda2, \/swap\.img\): .* Secrets too, .*; turn it off \(swapoff -a\) .* or write allowSwap: true$/,
  ],
  [
    'too little space',
    'master01',
    { space: ['/usr/local/bin / 20000 40 90', '/var/lib/etcd /data 1500 40 90'] },
    /^the disk of \/var\/lib\/etcd \(mounted on \/data\) has 1500 MiB free; 2048 MiB are needed; free some space$/,
  ],
  [
    'a disk on which a kubelet takes no pods',
    'node01',
    {
      space: [
        '/usr/local/bin / 20000 40 90',
        '/var/lib/containerd /images 20000 14 90',
        '/var/lib/kubelet / 20000 40 90',
      ],
    },
    /^the disk of \/var\/lib\/containerd \(mounted on \/images\) has 14 % free; below 15 %/,
  ],
  [
    'a disk without inodes',
    'node01',
    {
      space: ['/usr/local/bin / 20000 40 90', '/var/lib/containerd / 20000 40 90', '/var/lib/kubelet / 20000 40 3'],
    },
    /has 3 % of its inodes free; below 5 %/,
  ],
  [
    "an address that is a router's (floating, NAT)",
    'master01',
    { address: ['127.0.0.1', '10.0.0.7'] },
    /^has no address 172\.16\.0\.101, only 10\.0\.0\.7; .* write the address that "ip addr" shows/,
  ],
  [
    'no name server',
    'node01',
    { nameserver: [] },
    /^\/etc\/resolv\.conf names no name server; .* add a nameserver line/,
  ],
  [
    'a name server on the host',
    'node01',
    { nameserver: ['127.0.0.1'] },
    /names 127\.0\.0\.1 as name server; .* in a circle/,
  ],
  ['a name server on the host, by IPv6', 'node01', { nameserver: ['9.9.9.9', '::1'] }, /names ::1 as name server/],
  [
    'an etcd of somebody (Patroni, Vault)',
    'master01',
    { port: ['2379 etcd.service etcd'] },
    /^port 2379 is taken by etcd of etcd\.service; etcd needs it; stop that program$/,
  ],
  [
    'the unit of an etcd of somebody',
    'master01',
    { unit: oneService('etcd.service', '/lib/systemd/system/etcd.service', 'active', 'enabled') },
    /^etcd\.service of another installation is in use \(\/lib\/systemd\/system\/etcd\.service, active\); .* remove that/,
  ],
  [
    'a kubelet of kubeadm that waits for its configuration',
    'node01',
    { unit: oneService('kubelet.service', '/lib/systemd/system/kubelet.service', 'activating', 'enabled') },
    /^kubelet\.service of another installation is in use/,
  ],
  [
    "the drop-in of kubeadm's package",
    'node01',
    { 'drop-in': ['kubelet.service /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf command'] },
    /10-kubeadm\.conf sets another command for kubelet\.service than the cluster's; .*dpkg -S/,
  ],
  [
    "somebody's containerd",
    'node01',
    { unit: oneService('containerd.service', '/usr/lib/systemd/system/containerd.service', 'active', 'enabled') },
    /^containerd\.service of another installation is in use/,
  ],
  [
    'docker',
    'node01',
    { unit: oneService('docker.service', '/usr/lib/systemd/system/docker.service', 'active', 'enabled') },
    /^docker\.service is in use; .* remove docker, or take another host$/,
  ],
  [
    'containers of docker and of nerdctl',
    'node01',
    { 'container-of': ['moby', 'moby', 'default'] },
    /^containers of others are here \(moby: 2, default: 1\); .* remove them/,
  ],
  ['pods of another kubelet', 'node01', { 'container-of': ['k8s.io'] }, /\(pods of another kubelet\)/],
  [
    'a load balancer of the site',
    'node01',
    { unit: oneService('haproxy.service', '/lib/systemd/system/haproxy.service', 'active', 'enabled') },
    /^haproxy\.service serves something here; .* move it to another host/,
  ],
  [
    'the port of another program',
    'node01',
    { port: ['10250 - python3'] },
    /^port 10250 is taken by python3; kubelet needs/,
  ],
  [
    'a pod that has the port, as with a static API server',
    'master01',
    { port: ['6443 cri-containerd-1234.scope kube-apiserver'] },
    /^port 6443 is taken by kube-apiserver of cri-containerd-1234\.scope/,
  ],
  [
    'the configuration of calico',
    'node01',
    { cni: ['/etc/cni/net.d/10-calico.conflist'] },
    /^\/etc\/cni\/net\.d\/10-calico\.conflist configures another pod network .* move it away/,
  ],
  ['a bridge of an earlier cluster', 'node01', { link: ['cni0'] }, /^the link cni0 .* ip link delete cni0$/],
  ['rules of an earlier kube-proxy', 'node01', { 'service-rules': ['iptables-nft'] }, /^rules of another kube-proxy/],
  [
    "another cluster's kubelet.conf",
    'node01',
    { kubeconfig: ['/etc/kubernetes/kubelet.conf theirs'] },
    /^\/etc\/kubernetes\/kubelet\.conf leads to another cluster .* drain the host there/,
  ],
  [
    'a static pod that somebody left',
    'node01',
    { 'kubernetes-file': ['/etc/kubernetes/manifests/etcd.yaml'] },
    /^\/etc\/kubernetes has files of another installation \(\/etc\/kubernetes\/manifests\/etcd\.yaml\)/,
  ],
  [
    'the data of another etcd',
    'master01',
    { 'etcd-data': ['/var/lib/etcd'] },
    /^\/var\/lib\/etcd holds data of another cluster/,
  ],
  [
    'a host of another cluster',
    'node01',
    { journal: ['big'] },
    /^is part of cluster big, not of small; destroy big first/,
  ],
  ['firewalld on a node', 'node01', { firewall: ['firewalld'] }, /^firewalld runs here/],
  [
    'a table that drops what pods send',
    'node01',
    { drops: ['forward inet site'] },
    /^the table inet site of nftables drops what is forwarded/,
  ],
  [
    'a name server among the addresses of Services',
    'node01',
    { nameserver: ['10.100.0.2'] },
    /^its name server 10\.100\.0\.2 is inside network\.services \(10\.96\.0\.0\/12\)/,
  ],
  [
    'a gateway among the addresses of pods',
    'master01',
    { gateway: ['10.244.0.1'] },
    /^its gateway 10\.244\.0\.1 is inside network\.pods/,
  ],
  [
    'a network of the site among the addresses of Services',
    'node01',
    { route: ['172.16.0.0/24 eth0', '10.100.0.0/24 eth1'] },
    /^its network 10\.100\.0\.0\/24 \(eth1\) is inside network\.services/,
  ],
];

for (const [title, host, found, problem] of unfit) {
  test(`a host with ${title} is refused by one sentence that says what, the value and the fix`, () => {
    const { problems } = judge(host, found);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems.join(), problem);
  });
}

test('what does not concern the roles of a host is no problem of it', () => {
  const others: [string, Found][] = [
    ['node01', { port: ['6443 nginx.service nginx', '2379 etcd.service etcd'] }],
    [
      'master01',
      { port: ['10250 - kubelet'], nameserver: [], 'container-of': ['moby'], cni: ['/etc/cni/net.d/x.conf'] },
    ],
    ['master01', { unit: oneService('docker.service', '/lib/systemd/system/docker.service', 'active', 'enabled') }],
    ['master01', { space: ['/usr/local/bin / 5000 5 1', '/var/lib/etcd / 5000 5 1'] }],
    ['master01', { firewall: ['firewalld'], drops: ['forward inet site'] }],
  ];
  for (const [host, found] of others) assert.deepEqual(judge(host, found).problems, []);
});

test('swap is told where it is allowed, and where no pods run', () => {
  const found = { swap: ['/dev/sda2'] };
  const allowed = judge('node01', found, {}, {}, { ...spec, allowSwap: true });
  assert.deepEqual(allowed.problems, []);
  assert.match(allowed.notes.join(), /^swap is on \(\/dev\/sda2\): what pods keep in memory, Secrets too/);
  const master = judge('master01', found);
  assert.deepEqual(master.problems, []);
  assert.match(master.notes.join(), /^swap is on \(\/dev\/sda2\): what programs keep in memory, keys too/);
});

test('what is put out of the way, or stays beside, is told before anything is touched', () => {
  const { problems, notes } = judge('node01', {
    unit: oneService('containerd.service', '/lib/systemd/system/containerd.service', 'inactive', 'disabled'),
    'drop-in': ['kubelet.service /etc/systemd/system/kubelet.service.d/limits.conf other'],
    firewall: ['ufw'],
    drops: ['input ip filter'],
    route: ['10.0.0.0/8 eth1'],
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(notes.map((note) => note.split(' ').slice(0, 3).join(' ')).sort(), [
    '/etc/systemd/system/kubelet.service.d/limits.conf changes kubelet.service,',
    'a packet filter',
    'containerd.service of another',
    'network.pods (10.244.0.0/16) hides',
    'network.services (10.96.0.0/12) hides',
  ]);
  assert.match(notes.join('\n'), /\(here: ufw; table ip filter, which drops input\); docs\/preflight\.md/);
});

test('a node of our own earlier deployment is fit, with all that runs on it, and also one that was killed early', () => {
  assert.deepEqual(judge('node01', ourNode, ourStore).problems, []);
  const { unit, record, journal } = ourNode;
  const early = { journal: [''], record: record ?? [], unit: unit ?? [] };
  assert.deepEqual(judge('node01', early).problems, [], 'killed before the name of the cluster was written');
  assert.deepEqual(judge('node01', { journal: journal ?? [] }).problems, [], 'killed before the first record');
});

test('a host that was destroyed, and keeps the data of etcd aside, is fit again', () => {
  assert.deepEqual(judge('master01', {}, ourStore).problems, []);
});

test("data of a foreign etcd is not taken for ours because the state store has a cluster of this file's name", () => {
  assert.match(
    judge('master01', { 'etcd-data': ['/var/lib/etcd'] }, ourStore).problems.join(),
    /the data of another etcd/,
  );
});

test('what others have put on a host of ours since is seen', () => {
  const { record = [], unit = [], port = [], cni = [] } = ourNode;
  const withoutRuntime = record.filter((line) => !line.endsWith('containerd.service'));
  const since: [Found, RegExp][] = [
    [{ ...ourNode, record: withoutRuntime }, /^containerd\.service of another installation is in use/],
    [{ ...ourNode, port: [...port, '10250 docker.service docker-proxy'] }, /port 10250 is taken by docker-proxy/],
    [{ ...ourNode, cni: ['/etc/cni/net.d/05-cilium.conflist', ...cni] }, /05-cilium\.conflist configures another/],
    [
      { ...ourNode, unit: [...unit, ...oneService('docker.service', '/lib/x', 'active', 'enabled')] },
      /^docker\.service is in use/,
    ],
  ];
  for (const [found, problem] of since) assert.match(judge('node01', found, ourStore).problems.join('\n'), problem);
});

test('a host that runs another minor is not upgraded by accident', () => {
  assert.match(
    judge('node01', { runs: ['kubelet v1.19.7'] }).problems.join(),
    /its kubelet is v1\.19\.7 and kubernetes is v1\.37\.1; .* write kubernetes: v1\.19\.7, or destroy/,
  );
  assert.deepEqual(judge('node01', { runs: ['kubelet v1.37.15'] }).problems, [], 'another patch is taken');
  assert.deepEqual(judge('node01', { runs: ['kubelet '] }).problems, [], 'a program that does not run tells nothing');
});

test('keys that the state store does not have are not replaced', () => {
  assert.match(judge('master01', { encryption: [''] }).problems.join(), /every Secret would be unreadable/);
});

test('a kernel setting that another file sets at boot after ours is refused, and told where it comes before', () => {
  const wanted = { 'vm.panic_on_oom': '0', 'net.ipv4.conf.eth0/1.arp_ignore': '1' };
  const boot = (file: string, name: string, value: string): Found => ({ boot: [`${file} ${name} ${value}`] });
  const late = judge('node01', boot('/etc/sysctl.d/zzz-site.conf', 'vm/panic_on_oom', '1'), {}, wanted);
  assert.deepEqual(late.problems, [
    "/etc/sysctl.d/zzz-site.conf sets vm.panic_on_oom to 1 at boot, after the cluster's own file; 0 is needed; remove the line, or give the file a name that comes earlier",
  ]);
  const early = judge('node01', boot('/etc/sysctl.d/99-sysctl.conf', 'vm.panic_on_oom', '1'), {}, wanted);
  assert.deepEqual(early.problems, []);
  assert.match(
    early.notes.join(),
    /^vm\.panic_on_oom becomes 0; \/etc\/sysctl\.d\/99-sysctl\.conf says 1, and comes first$/,
  );
  const same = judge('node01', boot('/etc/sysctl.d/zzz-site.conf', 'vm.panic_on_oom', '0'), {}, wanted);
  assert.deepEqual([same.problems, same.notes], [[], []]);
});

const ssh = (n: number, how = 'open'): string => `172.16.0.10${n} 22 ${how}`;

test('a port that is silent on a host which answers has a packet filter before it', () => {
  const reach = ['172.16.0.102 2379 no', '172.16.0.102 2380 refused', ssh(2), '172.16.0.103 2380 open', ssh(3)];
  const { problems, cutOff } = judge('master01', { reach, firewall: ['ufw'] });
  assert.deepEqual(problems, [
    'cannot reach port 2379 of master02 (172.16.0.102), which answers otherwise; a packet filter is between them (here: ufw); let TCP port 2379 through',
  ]);
  assert.deepEqual(cutOff, []);
});

test('a host that does not answer at all may be off: one of several is told, all of them are a refusal', () => {
  const dark = (n: number): string[] => [`172.16.0.10${n} 6443 no`, ssh(n, 'no')];
  const one = judge('node01', { reach: [...dark(1), '172.16.0.102 6443 refused', ssh(2), ...dark(3)] });
  assert.deepEqual([one.problems, one.notes], [[], ['does not reach master01 now', 'does not reach master03 now']]);
  const none = judge('node01', { reach: [1, 2, 3].flatMap(dark) });
  assert.match(none.problems.join(), /^reaches none of master01, master02, master03; see that the network/);
  assert.deepEqual(none.cutOff, ['master01', 'master02', 'master03']);
});

test('the spec of these tests has what they rely on', () => {
  assert.deepEqual([spec.network.pods, spec.network.services], ['10.244.0.0/16', '10.96.0.0/12']);
});
