import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestProblems, type ExpectedRequest, type NodeRequest } from '../../cluster/csr-rules.js';

const names = { dns: ['node01', 'node01.mykernel.cn'], ip: ['172.16.0.104'] };
const expected: ExpectedRequest = { node: 'node01', purpose: 'client', requester: 'system:bootstrap:ab12cd', names };

const key = (type: string, bits: number): NodeRequest['publicKey'] => ({ type, bits, sha256: '5e'.repeat(32) });

/** What the kubelet of node01 sends. */
const honest: NodeRequest = {
  subject: { commonName: 'system:node:node01', organizations: ['system:nodes'], otherAttributes: [] },
  dnsSans: [],
  ipSans: [],
  emailSans: [],
  uriSans: [],
  otherSans: [],
  otherExtensions: [],
  publicKey: key('ec', 256),
  signatureValid: true,
  signer: 'kubernetes.io/kube-apiserver-client-kubelet',
  requester: 'system:bootstrap:ab12cd',
  usages: ['digital signature', 'key encipherment', 'client auth'],
};

const withSubject = (change: Partial<NodeRequest['subject']>): Partial<NodeRequest> => ({
  subject: { ...honest.subject, ...change },
});

const accepted: [string, Partial<NodeRequest>][] = [
  ['of a kubelet before 1.27', {}],
  ['without key encipherment, as kubelets send since 1.27', { usages: ['client auth', 'digital signature'] }],
  ['with an RSA key of 2048 bits', { publicKey: key('rsa', 2048) }],
  ['with an EC key of 384 bits', { publicKey: key('ec', 384) }],
];

for (const [title, change] of accepted) {
  test(`an honest request ${title} passes`, () => {
    assert.deepEqual(requestProblems({ ...honest, ...change }, expected), []);
  });
}

const attacks: [string, Partial<NodeRequest>, RegExp][] = [
  ["another node's name", withSubject({ commonName: 'system:node:node02' }), /name system:node:node02/],
  ["a user's name", withSubject({ commonName: 'kubernetes-admin' }), /name kubernetes-admin/],
  ['no name', withSubject({ commonName: '' }), /allowed: system:node:node01/],
  ['the group system:masters', withSubject({ organizations: ['system:masters'] }), /groups system:masters/],
  [
    'a group more',
    withSubject({ organizations: ['system:nodes', 'system:masters'] }),
    /groups system:nodes, system:masters, allowed: system:nodes alone/,
  ],
  ['no group', withSubject({ organizations: [] }), /allowed: system:nodes alone/],
  [
    'two groups that look like one when joined',
    withSubject({ organizations: ['system:nodes', ''] }),
    /allowed: system:nodes alone/,
  ],
  ['a further subject attribute', withSubject({ otherAttributes: ['OU=admins'] }), /OU=admins/],
  ['a DNS name', { dnsSans: ['kubernetes'] }, /1 alternative name/],
  ['an address', { ipSans: ['10.64.0.1'] }, /1 alternative name/],
  ['a mail address', { emailSans: ['root@example.org'] }, /1 alternative name/],
  ['a URI', { uriSans: ['spiffe://example.org/admin'] }, /1 alternative name/],
  [
    'the extension that makes an authority',
    { otherExtensions: ['2.5.29.19'] },
    /extension\(s\) 2\.5\.29\.19, allowed: none/,
  ],
  ['a name of an unknown kind', { otherSans: [0] }, /1 alternative name/],
  ["another node's token", { requester: 'system:bootstrap:ffffff' }, /sent by system:bootstrap:ffffff/],
  ['a member as its sender', { requester: 'system:node:node02' }, /sent by system:node:node02/],
  [
    'the signer of server certificates',
    { signer: 'kubernetes.io/kubelet-serving' },
    /signer kubernetes\.io\/kubelet-serving/,
  ],
  ['the signer of client certificates', { signer: 'kubernetes.io/kube-apiserver-client' }, /signer/],
  ['an RSA key of 1024 bits', { publicKey: key('rsa', 1024) }, /key rsa 1024/],
  ['an EC key of 224 bits', { publicKey: key('ec', 224) }, /key ec 224/],
  ['a key of an unknown kind', { publicKey: key('dsa', 4096) }, /key dsa 4096/],
  ['a signature of another key', { signatureValid: false }, /signature does not match/],
  ['server auth as well', { usages: [...honest.usages, 'server auth'] }, /usages .*server auth/],
  ['the right to sign certificates', { usages: [...honest.usages, 'cert sign'] }, /usages .*cert sign/],
  ['no client auth', { usages: ['digital signature'] }, /allowed: client auth, digital signature/],
  ['no usages', { usages: [] }, /allowed: client auth, digital signature/],
];

for (const [title, change, problem] of attacks) {
  test(`a request with ${title} is refused for exactly that`, () => {
    const problems = requestProblems({ ...honest, ...change }, expected);
    assert.equal(problems.length, 1, problems.join('; '));
    assert.match(problems[0] ?? '', problem);
  });
}

test('every broken rule is told, not the first alone', () => {
  const problems = requestProblems(
    { ...honest, ...withSubject({ organizations: ['system:masters'] }), signatureValid: false, dnsSans: ['x'] },
    expected,
  );
  assert.equal(problems.length, 3);
});

const servingExpected: ExpectedRequest = { ...expected, purpose: 'serving', requester: 'system:node:node01' };
/** What the kubelet of node01 sends once it is a member. */
const serving: NodeRequest = {
  ...honest,
  signer: 'kubernetes.io/kubelet-serving',
  requester: 'system:node:node01',
  usages: ['digital signature', 'server auth'],
  dnsSans: ['node01'],
  ipSans: ['172.16.0.104'],
};

test("a member's request for a serving certificate passes with its own names alone", () => {
  assert.deepEqual(requestProblems(serving, servingExpected), []);
});

const servingAttacks: [string, Partial<NodeRequest>, RegExp][] = [
  [
    "another host's address",
    { ipSans: ['172.16.0.104', '172.16.0.101'] },
    /alternative names 172\.16\.0\.101, allowed/,
  ],
  ["the node's address as a DNS name", { dnsSans: ['172.16.0.104'] }, /alternative names 172\.16\.0\.104, allowed/],
  ['the name of the API', { dnsSans: ['node01', 'kubernetes.default'] }, /alternative names kubernetes\.default/],
  ['no name at all', { dnsSans: [], ipSans: [] }, /no alternative name/],
  ['a URI', { uriSans: ['spiffe://example.org/admin'] }, /1 alternative name\(s\) of other kinds/],
  ["a joining node's token", { requester: 'system:bootstrap:ab12cd' }, /sent by system:bootstrap:ab12cd/],
  ['another node', { requester: 'system:node:node02' }, /sent by system:node:node02/],
  ['the usage of a client', { usages: ['digital signature', 'client auth'] }, /usages .*client auth/],
  ['the signer of clients', { signer: 'kubernetes.io/kube-apiserver-client-kubelet' }, /signer .*client-kubelet/],
];

for (const [title, change, reason] of servingAttacks) {
  test(`a serving request with or from ${title} is refused for exactly that`, () => {
    const problems = requestProblems({ ...serving, ...change }, servingExpected);
    assert.equal(problems.length, 1, problems.join('; '));
    assert.match(problems[0] ?? '', reason);
  });
}
