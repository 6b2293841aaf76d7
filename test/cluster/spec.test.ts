import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sshSettings } from '../../cluster/spec.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { hostByName } from '../../cluster/topology.js';
import { seedDocument, specOf, type Document } from './documents.js';
import { host, network, pathText, tellsOneProblem, top, type BadSpec } from './spoilt.js';

const without = (field: string) => (document: Document) =>
  Object.fromEntries(Object.entries(document).filter(([name]) => name !== field));

const noSecrets = { value: '(not shown)', allowed: /no token, password or private key/, fix: /remove it/ };

const badSpecs: BadSpec[] = [
  {
    title: 'an even number of etcd hosts',
    spoil: host(2, { roles: ['control-plane'] }),
    path: 'hosts',
    value: '2 hosts with role etcd (master01, master02)',
    allowed: /^an odd number of etcd hosts: 3, 5 or 7/,
    fix: /^add or remove one: 2 members need 2 for quorum/,
  },
  {
    title: 'no etcd host',
    spoil: ({ hosts }) => hosts.forEach((h) => (h.roles = h.roles.includes('etcd') ? ['control-plane'] : h.roles)),
    path: 'hosts',
    value: '0 hosts with role etcd',
    allowed: /^an odd number of etcd hosts/,
    fix: /^give three hosts the role etcd$/,
  },
  {
    title: 'more etcd hosts than a write can wait for',
    spoil: ({ hosts }) => {
      hosts.forEach((h) => (h.roles = ['etcd', 'control-plane']));
      for (const n of [1, 2, 3]) hosts.push({ name: `etcd${n}`, address: `172.16.1.${n}`, roles: ['etcd'] });
    },
    path: 'hosts',
    value: '9 hosts with role etcd',
    allowed: /at most 7/,
    fix: /take the role etcd from some hosts/,
  },
  {
    title: 'no control-plane host',
    spoil: ({ hosts }) => hosts.forEach((h) => (h.roles = h.roles.includes('etcd') ? ['etcd'] : h.roles)),
    path: 'hosts',
    value: 'no host with role control-plane',
    allowed: /at least one control-plane host/,
    fix: /give two or three hosts the role control-plane/,
  },
  {
    title: 'two hosts of one name',
    spoil: host(3, { name: 'master01' }),
    path: 'hosts[3].name',
    value: 'master01',
    allowed: /hosts\[0\] has it already/,
    fix: /its own name/,
  },
  {
    title: 'two hosts of one address',
    spoil: host(4, { address: '172.16.0.104' }),
    path: 'hosts[4].address',
    value: '172.16.0.104',
    allowed: /hosts\[3\] has it already/,
    fix: /its own address/,
  },
  {
    title: 'overlapping pod and service networks',
    spoil: network({ services: '10.240.0.0/12' }),
    path: 'network.services',
    value: '10.240.0.0/12',
    allowed: /does not overlap network\.pods \(10\.244\.0\.0\/16\)/,
    fix: /choose another block/,
  },
  {
    title: 'a host address inside the pod network',
    spoil: host(0, { address: '10.244.7.1' }),
    path: 'hosts[0].address',
    value: '10.244.7.1',
    allowed: /outside network\.pods \(10\.244\.0\.0\/16\)/,
    fix: /another block for network\.pods, or correct the address/,
  },
  {
    title: 'a host address inside the service network',
    spoil: host(5, { address: '10.64.0.10' }),
    path: 'hosts[5].address',
    value: '10.64.0.10',
    allowed: /outside network\.services \(10\.64\.0\.0\/12\)/,
    fix: /another block for network\.services/,
  },
  {
    title: 'a version that no run has proven',
    spoil: top({ kubernetes: 'v1.99.0' }),
    path: 'kubernetes',
    value: 'v1.99.0',
    allowed: /v1\.20\.x/,
    fix: /deploy one of v1\.20\.x/,
  },
  {
    title: 'half a version',
    spoil: top({ kubernetes: '1.20' }),
    path: 'kubernetes',
    value: '1.20',
    allowed: /a full version such as v1\.20\.2/,
    fix: /write a full version such as v1\.20\.2/,
  },
  {
    title: 'a runtime that the version cannot have',
    spoil: top({ containerRuntime: 'docker' }),
    path: 'containerRuntime',
    value: 'docker',
    allowed: /with Kubernetes v1\.20\.2: containerd/,
    fix: /write containerRuntime: containerd/,
  },
  {
    title: 'a runtime that nobody knows',
    spoil: top({ containerRuntime: 'rkt' }),
    path: 'containerRuntime',
    value: 'rkt',
    allowed: /^one of containerd, docker$/,
    fix: /write one of containerd, docker/,
  },
  { title: 'a token field', spoil: top({ bootstrapToken: 'x' }), path: 'bootstrapToken', ...noSecrets },
  {
    title: 'a bootstrap token as some value',
    spoil: host(3, { ssh: { user: 'abcdef.0123456789abcdef' } }),
    path: 'hosts[3].ssh.user',
    ...noSecrets,
  },
  {
    title: 'a password field',
    spoil: host(1, { ssh: { password: 'x' } }),
    path: 'hosts[1].ssh.password',
    ...noSecrets,
  },
  {
    title: 'a private key in the file',
    spoil: top({ ssh: { identityFile: '-----BEGIN OPENSSH PRIVATE KEY-----\nx\n' } }),
    path: 'ssh.identityFile',
    ...noSecrets,
  },
  {
    title: 'a field that does not exist',
    spoil: top({ loadBalancer: '172.16.0.100' }),
    path: 'loadBalancer',
    value: '172.16.0.100',
    allowed: /no such field/,
    fix: /docs\/spec\.md lists every field/,
  },
  {
    title: 'a field that does not exist, deep inside',
    spoil: host(0, { ssh: { prot: 22 } }),
    path: 'hosts[0].ssh.prot',
    value: 22,
    allowed: /no such field/,
    fix: /correct its name/,
  },
  {
    title: 'an address that is none',
    spoil: host(0, { address: '172.16.0.256' }),
    path: 'hosts[0].address',
    value: '172.16.0.256',
    allowed: /an IPv4 address such as/,
    fix: /write an IPv4 address/,
  },
  {
    title: 'a block with host bits',
    spoil: network({ pods: '10.244.0.1/16' }),
    path: 'network.pods',
    value: '10.244.0.1/16',
    allowed: /an IPv4 block with host bits zero/,
    fix: /such as 10\.244\.0\.0\/16/,
  },
  {
    title: 'a block without a length',
    spoil: network({ services: '10.64.0.0' }),
    path: 'network.services',
    value: '10.64.0.0',
    allowed: /an IPv4 block/,
    fix: /such as/,
  },
  {
    title: 'node ports over the ports of the components',
    spoil: network({ nodePorts: '10000-32767' }),
    path: 'network.nodePorts',
    value: '10000-32767',
    allowed: /^a range without port 10257, which kube-controller-manager has$/,
    fix: /30000-32767/,
  },
  {
    title: 'node ports that fall',
    spoil: network({ nodePorts: '32767-30000' }),
    path: 'network.nodePorts',
    value: '32767-30000',
    allowed: /a rising port range/,
    fix: /30000-32767/,
  },
  {
    title: 'fewer pod subnets than nodes',
    spoil: network({ pods: '10.244.0.0/23' }),
    path: 'network.pods',
    value: '10.244.0.0/23',
    allowed: /room for 3 nodes of 256 addresses each; this block has room for 2/,
    fix: /widen network\.pods or raise network\.nodeMask/,
  },
  {
    title: "a node's share that is larger than the pod network",
    spoil: network({ nodeMask: 16, pods: '10.244.0.0/20' }),
    path: 'network.nodeMask',
    value: 16,
    allowed: /at least 20/,
    fix: /a smaller share/,
  },
  {
    title: 'more pod subnets than the controller manager can count',
    spoil: network({ nodeMask: 28, pods: '11.0.0.0/8' }),
    path: 'network.nodeMask',
    value: 28,
    allowed: /at most 24/,
    fix: /a larger share/,
  },
  {
    title: 'a service network without an address for DNS',
    spoil: network({ services: '10.64.0.0/29' }),
    path: 'network.services',
    value: '10.64.0.0/29',
    allowed: /from \/12 to \/28/,
    fix: /10\.64\.0\.0\/12/,
  },
  {
    title: 'a service network that the API server refuses as too large',
    spoil: network({ services: '12.0.0.0/8' }),
    path: 'network.services',
    value: '12.0.0.0/8',
    allowed: /from \/12 to \/28/,
    fix: /10\.64\.0\.0\/12/,
  },
  {
    title: 'no hosts field',
    spoil: without('hosts'),
    path: 'hosts',
    value: undefined,
    allowed: /a value of type array/,
    fix: /^add the field$/,
  },
  {
    title: 'no host at all',
    spoil: top({ hosts: [] }),
    path: 'hosts',
    value: [],
    allowed: /at least one host/,
    fix: /at least one host/,
  },
  {
    title: 'no name',
    spoil: without('name'),
    path: 'name',
    value: undefined,
    allowed: /a value of type string/,
    fix: /^add the field$/,
  },
  {
    title: 'a host without a role',
    spoil: host(5, { roles: [] }),
    path: 'hosts[5].roles',
    value: [],
    allowed: /at least one role/,
    fix: /at least one role/,
  },
  {
    title: 'a role that does not exist',
    spoil: host(5, { roles: ['worker'] }),
    path: 'hosts[5].roles[0]',
    value: 'worker',
    allowed: /^one of etcd, control-plane, node$/,
    fix: /write one of etcd, control-plane, node/,
  },
  {
    title: 'a role given twice',
    spoil: host(5, { roles: ['node', 'node'] }),
    path: 'hosts[5].roles',
    value: ['node', 'node'],
    allowed: /each role once/,
    fix: /write each role once/,
  },
  {
    title: 'a host name that no node can have',
    spoil: host(3, { name: 'Node_01' }),
    path: 'hosts[3].name',
    value: 'Node_01',
    allowed: /lower-case letters, digits and "-"/,
    fix: /write lower-case letters/,
  },
  {
    title: 'a deadline in words',
    spoil: top({ approvals: { deadline: 'one day' } }),
    path: 'approvals.deadline',
    value: 'one day',
    allowed: /a duration such as 90s, 30m, 24h or 7d/,
    fix: /write a duration/,
  },
  {
    title: 'an approvals policy that nobody answers for',
    spoil: top({ approvals: { policy: 'anyone' } }),
    path: 'approvals.policy',
    value: 'anyone',
    allowed: /^one of human, inventory$/,
    fix: /write one of human, inventory/,
  },
  {
    title: 'host keys that are not checked',
    spoil: top({ ssh: { hostKeys: 'off' } }),
    path: 'ssh.hostKeys',
    value: 'off',
    allowed: /^one of strict, accept-new$/,
    fix: /write one of strict, accept-new/,
  },
  {
    title: 'a power command as one text',
    spoil: host(0, { power: { on: 'ipmitool power on' } }),
    path: 'hosts[0].power.on',
    value: 'ipmitool power on',
    allowed: /a value of type array/,
    fix: /write a value of type array/,
  },
  {
    title: 'an empty file',
    spoil: () => null,
    path: '',
    value: null,
    allowed: /a value of type object/,
    fix: /write a value of type object/,
  },
];

badSpecs.forEach(tellsOneProblem);

test('every problem of a spec is told at once', () => {
  const document = seedDocument();
  host(0, { address: 'nowhere' })(document);
  host(1, { roles: ['king'] })(document);
  network({ pods: 'many' })(document);
  const result = validateSpec(document);
  assert.ok('problems' in result);
  assert.deepEqual(result.problems.map((problem) => pathText(problem.path)).sort(), [
    'hosts[0].address',
    'hosts[1].roles[0]',
    'network.pods',
  ]);
});

test('a refused secret is never repeated in the error', () => {
  const secret = 'abcdef.0123456789abcdef';
  const result = validateSpec({ ...seedDocument(), joinToken: secret, note: secret });
  assert.ok('problems' in result);
  assert.equal(result.problems.length, 2);
  assert.ok(!JSON.stringify(result.problems).includes(secret));
});

test('a spec of the fields that have no default gets all the others', () => {
  const { hosts, name, kubernetes, domain } = seedDocument();
  assert.deepEqual(specOf({ name, kubernetes, domain, hosts }), {
    name,
    kubernetes,
    allowUnprovenVersion: false,
    domain,
    network: {
      pods: '10.244.0.0/16',
      services: '10.96.0.0/12',
      nodeMask: 24,
      nodePorts: '30000-32767',
      proxyMode: 'auto',
      dnsDomain: 'cluster.local',
    },
    containerRuntime: 'containerd',
    apiEndpoint: { mode: 'node-local' },
    controlPlane: { schedulable: false },
    approvals: { policy: 'human', deadline: '23h' },
    ssh: { user: 'root', port: 22, identityFile: '~/.ssh/id_ed25519', hostKeys: 'strict' },
    artifacts: {},
    addressFilters: true,
    allowSwap: false,
    hostKind: 'machine',
    hosts,
  });
});

test("a host's own ssh settings leave the cluster's others as they are", () => {
  const document = seedDocument();
  document['ssh'] = { user: 'admin', port: 2222, identityFile: '/keys/cluster', hostKeys: 'accept-new' };
  host(3, { ssh: { port: 60022 } })(document);
  const spec = specOf(document);
  assert.deepEqual(sshSettings(spec, hostByName(spec, 'node01')), {
    user: 'admin',
    port: 60022,
    identityFile: '/keys/cluster',
    hostKeys: 'accept-new',
  });
  assert.deepEqual(sshSettings(spec, hostByName(spec, 'node02')), spec.ssh);
});

test('a validated spec validates again, unchanged', () => {
  const spec = specOf(seedDocument());
  assert.deepEqual(specOf(JSON.parse(JSON.stringify(spec))), spec);
});

test('any document is answered, and never with an exception', () => {
  const fields = fc.constantFrom(...Object.keys(seedDocument()));
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fields, fc.jsonValue())), (document) => {
      const result = validateSpec(document);
      assert.ok('spec' in result || result.problems.length > 0);
    }),
  );
});
