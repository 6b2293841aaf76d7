import { test } from 'node:test';
import { seedDocument, specOf, type Document } from './documents.js';
import { host, network, tellsOneProblem, top, type BadSpec } from './spoilt.js';

/** Words that the schema takes, and that mean something which cannot be. */

const oneHost = { name: 'master-of-them-all', address: '172.16.0.1', roles: ['etcd', 'control-plane', 'node'] };

const badSpecs: BadSpec[] = [
  {
    title: 'node ports that root alone should have',
    spoil: network({ nodePorts: '1000-2000' }),
    path: 'network.nodePorts',
    value: '1000-2000',
    allowed: /^a rising port range from 1024 to 65535$/,
    fix: /30000-32767/,
  },
  {
    title: "node ports over a host's own sshd",
    spoil: (document) => {
      network({ nodePorts: '20000-30000' })(document);
      host(3, { ssh: { port: 22022 } })(document);
    },
    path: 'network.nodePorts',
    value: '20000-30000',
    allowed: /^a range without port 22022, which sshd has$/,
    fix: /30000-32767/,
  },
  {
    title: 'node ports over the port of the pod network',
    spoil: network({ nodePorts: '8400-8500' }),
    path: 'network.nodePorts',
    value: '8400-8500',
    allowed: /^a range without port 8472/,
    fix: /30000-32767/,
  },
  ...['localhost', 'kubernetes', 'kubernetes-api', 'ip6-loopback'].map((name) => ({
    title: `a host that is called ${name}`,
    spoil: host(3, { name }),
    path: 'hosts[3].name',
    value: name,
    allowed: /^a name that means nothing else/,
    fix: /another name, such as node01/,
  })),
  {
    title: 'a host whose full name is in the certificate of the API',
    spoil: (document) => {
      top({ domain: 'default.svc', apiEndpoint: { name: 'api.example.org' } })(document);
      host(3, { name: 'kubernetes' })(document);
    },
    path: 'hosts[3].name',
    value: 'kubernetes',
    allowed: /^a name that means nothing else/,
    fix: /another name/,
  },
  ...['7', '0x7f'].map((name) => ({
    title: `a host that is called ${name}, like an address`,
    spoil: host(3, { name }),
    path: 'hosts[3].name',
    value: name,
    allowed: /^a name with a letter in it/,
    fix: /^write a name such as node/,
  })),
  {
    title: 'a host name that is too long with its domain',
    spoil: top({ domain: `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}`, hosts: [oneHost] }),
    path: 'hosts[0].name',
    value: 'master-of-them-all',
    allowed: /^at most 253 characters with the domain behind it; these are 262$/,
    fix: /shorter domain/,
  },
  ...['node01.mykernel.cn', 'node01'].map((name) => ({
    title: `an API that is called ${name}, as a host is`,
    spoil: top({ apiEndpoint: { name } }),
    path: 'apiEndpoint.name',
    value: name,
    allowed: /^a name that no host has \(it is that of node01/,
    fix: /kubernetes-api\.mykernel\.cn/,
  })),
  ...['localhost', 'kubernetes.default.svc.cluster.local'].map((name) => ({
    title: `an API that is called ${name}`,
    spoil: top({ apiEndpoint: { name } }),
    path: 'apiEndpoint.name',
    value: name,
    allowed: /^a name outside cluster\.local, localhost, invalid$/,
    fix: /kubernetes-api\.mykernel\.cn/,
  })),
  ...['172.16.0.200', 'api.1', 'a..b', 'a.-b', `${'x'.repeat(64)}.org`, '.a', 'a.', 'api.0x7f'].map((name) => ({
    title: `an API that is called ${name}, which is no DNS name`,
    spoil: top({ apiEndpoint: { name } }),
    path: 'apiEndpoint.name',
    value: name,
    allowed: /^a DNS name, not an address: .* at most 63 characters between dots$/,
    fix: /^write a DNS name/,
  })),
  ...['cluster.local', 'hosts.cluster.local'].map((domain) => ({
    title: `hosts in ${domain}, for which cluster DNS answers`,
    spoil: top({ domain }),
    path: 'domain',
    value: domain,
    allowed: /^a domain outside network\.dnsDomain \(cluster\.local\)/,
    fix: /another domain/,
  })),
  {
    title: 'a domain that resolvers answer by themselves',
    spoil: top({ domain: 'lab.localhost' }),
    path: 'domain',
    value: 'lab.localhost',
    allowed: /^a domain outside localhost and invalid/,
    fix: /example\.org/,
  },
  ...(
    [
      ['127.0.0.1', 'loopback'],
      ['0.0.0.0', 'this network'],
      ['0.1.2.3', 'this network'],
      ['169.254.169.254', 'link-local'],
      ['224.0.0.1', 'multicast'],
      ['239.255.255.255', 'multicast'],
      ['240.0.0.1', 'reserved'],
      ['255.255.255.255', 'reserved and broadcast'],
    ] as const
  ).map(([address, what]) => ({
    title: `the address ${address}, which no host has`,
    spoil: host(3, { address }),
    path: 'hosts[3].address',
    value: address,
    allowed: new RegExp(`^an address outside [0-9./]+ \\(.*${what}`),
    fix: /^write the host's own address/,
  })),
  ...(
    [
      ['pods', '127.0.0.0/8'],
      ['pods', '126.0.0.0/7'],
      ['services', '224.0.0.0/12'],
      ['services', '169.254.0.0/16'],
    ] as const
  ).map(([field, block]) => ({
    title: `the block ${block} for ${field}, which no network has`,
    spoil: (document: Document) => {
      network({ [field]: block, nodeMask: 20 })(document);
    },
    path: `network.${field}`,
    value: block,
    allowed: /^a block outside [0-9./]+ \(/,
    fix: /^choose a private block/,
  })),
  ...['24h', '3650d', '1381m'].map((deadline) => ({
    title: `${deadline} for an approval, when Kubernetes has deleted the request`,
    spoil: top({ approvals: { deadline } }),
    path: 'approvals.deadline',
    value: deadline,
    allowed: /^at most 23h: Kubernetes deletes a request that has waited for 24 hours$/,
    fix: /^write 23h or less/,
  })),
];

badSpecs.forEach(tellsOneProblem);

const goodSpecs: readonly (readonly [string, (document: Document) => void])[] = [
  ['node ports beneath the ports of the components', network({ nodePorts: '1024-2000' })],
  ['node ports between the ports of the components', network({ nodePorts: '10260-20000' })],
  ['node ports among those of outgoing connections, which the hosts reserve', network({ nodePorts: '40000-50000' })],
  ['a cluster domain below that of the hosts', network({ dnsDomain: 'k8s.mykernel.cn' })],
  ['an API of one label', top({ apiEndpoint: { name: 'api' } })],
  ['a label of 63 characters', host(3, { name: 'n'.repeat(63) })],
  ['names that only look like reserved ones', host(3, { name: 'kubernetes-1' })],
  ['names and domains with digits in front', top({ domain: '1.2.example3.org' })],
  ['the longest deadline', top({ approvals: { deadline: '23h' } })],
  ['addresses beside the impossible ones', host(3, { address: '126.255.255.255' })],
];

for (const [title, change] of goodSpecs) {
  test(`a spec with ${title} is a good one`, () => {
    const document = seedDocument();
    change(document);
    specOf(document);
  });
}
