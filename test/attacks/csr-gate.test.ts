import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  alternativeNames,
  asksFor,
  attribute,
  certificateRequest,
  COMMON_NAME,
  ecKeys,
  generalName,
  names,
  nodeSubject,
  octets,
  ORGANIZATION,
  subject,
  SUBJECT_ALT_NAME,
  type KeyPair,
  type RequestParts,
} from '../support/certificate-request.js';
import { objectIdentifier, sequence } from '../../activities/certificates/der.js';
import type { SentRequest } from '../support/fake-api-server.js';
import { openGate, refusalOf, type Gate } from '../support/gate.js';
import { answersOf, goProgram } from '../support/go.js';
import { openssl } from '../support/openssl.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { eventually } from '../ssh/loopback-sshd.js';

/**
 * The gate, with an API server and a host. The attacker has a token, or a node, or may create requests; he reads and
 * writes what those may. Only the key that waits on the host is ever approved, for what the inventory says.
 */

const own = [generalName(2, 'node01'), generalName(7, '\xac\x10\x00\x68')];
const api = [generalName(2, 'kubernetes.default.svc'), generalName(7, '\x0a\x60\x00\x01')];
const bootstrapper = 'system:bootstrap:zzzzzz';

/** The kubelet of node01 asks. */
async function kubeletAsks(gate: Gate, sent: Partial<SentRequest> = {}, keys = ecKeys()): Promise<void> {
  await gate.host.waitsWith(keys);
  gate.server.create({
    name: 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0',
    username: gate.token,
    request: certificateRequest({ keys }),
    ...sent,
  });
}

/** Makes node01 a member: with a client certificate as Kubernetes would sign it. */
async function makeMember(gate: Gate, t: Parameters<typeof goProgram>[0]): Promise<string> {
  const keys = ecKeys();
  const certificate = await sign(gate, t, certificateRequest({ keys }), ['digital signature', 'client auth']);
  await gate.host.has('client', certificate, keys);
  return certificate;
}

async function sign(
  gate: Gate,
  t: Parameters<typeof goProgram>[0],
  request: string,
  usages: readonly string[],
  authority = gate.authorities[usages.includes('client auth') ? 'client' : 'serving'],
): Promise<string> {
  const [certificate] = await answersOf<string>(await goProgram(t, 'signer'), [authority], [{ request, usages }]);
  assert.ok(certificate !== undefined);
  return certificate;
}

/** The kubelet of the member node01 asks for its serving certificate. */
function servingRequest(parts: RequestParts = {}, sent: Partial<SentRequest> = {}): SentRequest {
  return {
    name: 'csr-serving',
    username: 'system:node:node01',
    signerName: 'kubernetes.io/kubelet-serving',
    usages: ['digital signature', 'server auth'],
    request: certificateRequest({ attributes: [asksFor(alternativeNames(...own))], ...parts }),
    ...sent,
  };
}

test('the request of the kubelet is shown with all that a statement about it has to name', async (t) => {
  const gate = await openGate(t);
  const keys = ecKeys();
  await kubeletAsks(gate, {}, keys);
  const { csrSha256, keySha256, uid, ...rest } = await gate.shown();
  assert.match(`${csrSha256} ${keySha256}`, /^[0-9a-f]{64} [0-9a-f]{64}$/);
  assert.equal(uid, gate.server.csr('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0')?.metadata?.uid);
  assert.deepEqual(rest, {
    node: 'node01',
    purpose: 'client',
    name: 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0',
    requester: gate.token,
    signer: 'kubernetes.io/kube-apiserver-client-kubelet',
    subject: 'CN=system:node:node01, O=system:nodes',
    usages: ['digital signature', 'client auth'],
    names: [],
    key: 'EC 256',
  });
  await gate.approve(await gate.shown());
  assert.equal(gate.server.decisionOn('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'), 'Approved: by ada');
});

test('no private key leaves the host', async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  await gate.shown();
  await makeMember(gate, t);
  await gate.perform('awaitCertificateRequest', gate.reference, 'node01');
  assert.match(gate.host.output, /BEGIN PUBLIC KEY[\s\S]*BEGIN CERTIFICATE/);
  assert.doesNotMatch(gate.host.output, /PRIVATE KEY/);
});

/** Requests that Kubernetes takes, most of them, and that this gate does not read. */
const poisons: [string, (honest: string) => string][] = [
  ['text before its PEM block', (pem) => `hello\n${pem}`],
  ['text after its PEM block', (pem) => `${pem}x\n`],
  ['PEM headers', (pem) => pem.replace('REQUEST-----\n', 'REQUEST-----\nProc-Type: 4\n\n')],
  ['a subject in TeletexString', () => certificateRequest({ subject: subject(attribute(COMMON_NAME, 'alice', 20)) })],
  ['a subject in BMPString', () => certificateRequest({ subject: subject(attribute(COMMON_NAME, '\0a', 30)) })],
  [
    'two common names',
    () => certificateRequest({ subject: subject(attribute(COMMON_NAME, 'a'), attribute(COMMON_NAME, 'b')) }),
  ],
  ['a soft hyphen in its subject', () => certificateRequest({ subject: subject(attribute('2.5.4.11', 'a\u00adb')) })],
  ['no PEM at all', () => 'nothing'],
  ['a megabyte', () => 'A'.repeat(1_000_000)],
];

for (const [title, poison] of poisons) {
  test(`a request with ${title} keeps nobody from joining`, async (t) => {
    const gate = await openGate(t);
    await kubeletAsks(gate, { at: 1 });
    gate.server.create({ name: 'poison', username: bootstrapper, request: poison(certificateRequest()), at: 2 });
    assert.equal((await gate.shown()).name, 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0');
    assert.equal(gate.server.decisionOn('poison'), 'undecided', 'what a stranger asks is not our business');
    assert.ok(!gate.server.asked.some((path) => path.endsWith('/poison')), 'it is not even read');
  });

  test(`a request with ${title} that was sent with the node's own token is denied, and the join goes on`, async (t) => {
    const gate = await openGate(t);
    await kubeletAsks(gate, { at: 1 });
    gate.server.create({ name: 'poison', username: gate.token, request: poison(certificateRequest()), at: 2 });
    assert.equal((await gate.shown()).name, 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0');
    assert.match(
      gate.server.decisionOn('poison'),
      /^Denied: by inventory: (the certificate signing request|it has \d+ bytes)/,
    );
    assert.ok(
      gate.log.some((line) => line.includes('"name":"poison"')),
      'the log names the object',
    );
  });
}

test("what one look reads is bounded, though others' requests are 5,000 of a megabyte each", async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  gate.server.create({ name: 'flood', username: bootstrapper, request: 'A'.repeat(1_000_000) });
  const large = gate.server.csr('flood');
  assert.ok(large !== undefined);
  for (let count = 1; count < 5_000; count += 1) {
    gate.server.put('certificatesigningrequests', { ...large, metadata: { name: `flood-${count}` } } as never);
  }
  assert.equal((await gate.shown()).name, 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0');
  assert.equal(gate.server.asked.filter((path) => /requests\/[^/]+$/.test(path)).length, 1);
});

test('two keys that ask with one token are both denied, and the join ends with the token taken back', async (t) => {
  for (const thiefIsFirst of [true, false]) {
    const gate = await openGate(t);
    await kubeletAsks(gate, { at: thiefIsFirst ? 2 : 1 });
    gate.server.create({
      name: 'thief',
      username: gate.token,
      request: certificateRequest(),
      at: thiefIsFirst ? 1 : 2,
    });
    const found = await gate.perform('awaitCertificateRequest', gate.reference, 'node01');
    assert.equal(found.state, 'token-abused');
    assert.match(JSON.stringify(found), /the bootstrap token of node01 is abused: it was used for 2 keys/);
    for (const name of ['thief', 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'])
      assert.match(gate.server.decisionOn(name), /^Denied/);
  }
});

test('a key that does not wait on the host is denied, whether the kubelet has one or has not started', async (t) => {
  for (const started of [true, false]) {
    const gate = await openGate(t);
    if (started) await gate.host.waitsWith(ecKeys());
    gate.server.create({ name: 'thief', username: gate.token, request: certificateRequest() });
    const found = await gate.perform('awaitCertificateRequest', gate.reference, 'node01');
    assert.equal(found.state, 'token-abused');
    assert.match(
      gate.server.decisionOn('thief'),
      /^Denied: by inventory: it was used for the key [0-9a-f]{64}, and on the host/,
    );
  }
});

test('a thief who asks after the approval is found out while the certificate is awaited', async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  await gate.approve(await gate.shown());
  gate.server.create({ name: 'thief', username: gate.token, request: certificateRequest(), at: 9 });
  assert.equal((await gate.perform('awaitCertificate', gate.reference, 'node01')).state, 'token-abused');
  assert.match(gate.server.decisionOn('thief'), /^Denied/);
});

test('a flood of requests with one token ends the join', async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  const [keys, request] = [ecKeys(), certificateRequest()];
  await gate.host.waitsWith(keys);
  for (let count = 0; count < 30; count += 1)
    gate.server.create({ name: `flood-${count}`, username: gate.token, request });
  assert.equal((await gate.perform('awaitCertificateRequest', gate.reference, 'node01')).state, 'token-abused');
});

test('a kubelet that asks again with the same key is let in', async (t) => {
  const gate = await openGate(t);
  const keys = ecKeys();
  await kubeletAsks(gate, { at: 1 }, keys);
  await kubeletAsks(gate, { name: 'node-csr-again', at: 2 }, keys);
  assert.equal((await gate.shown()).name, 'node-csr-again');
  assert.match(
    gate.server.decisionOn('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'),
    /a newer request of the same kubelet/,
  );
});

test("a kubelet's own request that an earlier run denied goes away, so that it asks again", async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate, { conditions: [{ type: 'Denied', status: 'True' }] });
  const asksAgain = gate.shown();
  const deadline = Date.now() + 10_000;
  while (gate.server.csr('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0') !== undefined && Date.now() < deadline)
    await new Promise((r) => setTimeout(r, 20));
  assert.equal(gate.server.csr('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'), undefined);
  await kubeletAsks(gate, { name: 'node-csr-new' });
  assert.equal((await asksAgain).name, 'node-csr-new');
  assert.match(await gate.host.systemctlCalls(), /restart kubelet/);
});

/** What the token of node01 may be used for, and what not; each for its own reason. */
const forgeries: [string, (keys: ReturnType<typeof ecKeys>) => Partial<SentRequest>, RegExp][] = [
  [
    "another node's name",
    (keys) => ({ request: certificateRequest({ keys, subject: nodeSubject('node02') }) }),
    /name system:node:node02/,
  ],
  [
    'the group system:masters',
    (keys) => ({
      request: certificateRequest({
        keys,
        subject: subject(
          attribute(ORGANIZATION, 'system:nodes'),
          attribute(ORGANIZATION, 'system:masters'),
          attribute(COMMON_NAME, 'system:node:node01'),
        ),
      }),
    }),
    /groups system:nodes, system:masters/,
  ],
  [
    'two groups in one relative name',
    (keys) => ({
      request: certificateRequest({
        keys,
        subject: subject(
          [attribute(ORGANIZATION, 'system:masters'), attribute(ORGANIZATION, 'system:nodes')],
          attribute(COMMON_NAME, 'system:node:node01'),
        ),
      }),
    }),
    /groups system:masters, system:nodes/,
  ],
  [
    'one group that reads like two',
    (keys) => ({
      request: certificateRequest({
        keys,
        subject: subject(
          attribute(ORGANIZATION, 'system:nodes,system:masters'),
          attribute(COMMON_NAME, 'system:node:node01'),
        ),
      }),
    }),
    /groups system:nodes,system:masters/,
  ],
  [
    'names of the API',
    (keys) => ({ request: certificateRequest({ keys, attributes: [asksFor(alternativeNames(...api))] }) }),
    /2 alternative name/,
  ],
  [
    'usages of a server',
    () => ({ usages: ['digital signature', 'server auth'] }),
    /usages digital signature, server auth/,
  ],
];

for (const [title, forged, why] of forgeries) {
  test(`a request for node01 with ${title} is denied`, async (t) => {
    const gate = await openGate(t);
    const keys = ecKeys();
    await gate.host.waitsWith(keys);
    gate.server.create({
      name: 'forged',
      username: gate.token,
      request: certificateRequest({ keys }),
      ...forged(keys),
    });
    await kubeletAsks(gate, { name: 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0', at: 1 }, keys);
    assert.equal((await gate.shown()).name, 'node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0');
    assert.match(gate.server.decisionOn('forged'), /^Denied: by inventory/);
    assert.match(gate.server.decisionOn('forged'), why);
  });
}

/** Keys that the host itself has, and that are too weak or of a kind that no kubelet makes. */
const weakKeys: [string, () => KeyPair, RegExp][] = [
  ['an RSA key of 2047 bits', () => generateKeyPairSync('rsa', { modulusLength: 2047 }), /key rsa 2047, allowed/],
  ['an Ed25519 key', () => generateKeyPairSync('ed25519'), /key ed25519 256, allowed: EC from 256 or RSA from 2048/],
  [
    'a key on secp256k1',
    () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
    /key ec \d+, allowed: EC from 256/,
  ],
];

for (const [title, generate, why] of weakKeys) {
  test(`a request for node01 with ${title} is denied`, async (t) => {
    const gate = await openGate(t);
    const keys = generate();
    await gate.host.waitsWith(keys);
    const file = join(await temporaryDirectory(t), 'key.pem');
    await writeFile(file, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const request = await openssl('req', '-new', '-key', file, '-subj', '/O=system:nodes/CN=system:node:node01');
    gate.server.create({ name: 'weak', username: gate.token, request });
    const waits = gate.perform('awaitCertificateRequest', gate.reference, 'node01').catch(() => undefined);
    await Promise.race([waits, eventually(() => gate.server.decisionOn('weak') !== 'undecided', 5_000)]);
    assert.match(gate.server.decisionOn('weak'), /^Denied: by inventory/);
    assert.match(gate.server.decisionOn('weak'), why);
  });
}

test('a serving request that says its own names to us and those of the API to the signer is denied', async (t) => {
  const gate = await openGate(t);
  await makeMember(gate, t);
  const forged = sequence(objectIdentifier(SUBJECT_ALT_NAME), octets(names(...api)), octets(names(...own)));
  gate.server.create(servingRequest({ attributes: [asksFor(forged)] }, { name: 'csr-forged' }));
  gate.server.create(servingRequest({}, { at: 1 }));
  const found = await gate.perform('awaitServingRequest', gate.reference, 'node01');
  assert.equal(found.state === 'asks' ? found.request.name : found.state, 'csr-serving');
  assert.match(
    gate.server.decisionOn('csr-forged'),
    /^Denied: by inventory: the certificate signing request has parts that have no meaning/,
  );
});

const servingForgeries: [string, Partial<SentRequest>, RegExp][] = [
  [
    "another node's names",
    { request: certificateRequest({ attributes: [asksFor(alternativeNames(generalName(2, 'node02')))] }) },
    /alternative names node02/,
  ],
  [
    'an upper-case name',
    { request: certificateRequest({ attributes: [asksFor(alternativeNames(generalName(2, 'NODE01')))] }) },
    /alternative names NODE01/,
  ],
  [
    'a trailing dot',
    { request: certificateRequest({ attributes: [asksFor(alternativeNames(generalName(2, 'node01.')))] }) },
    /alternative names node01\./,
  ],
  [
    'a wildcard',
    { request: certificateRequest({ attributes: [asksFor(alternativeNames(generalName(2, '*')))] }) },
    /alternative names \*/,
  ],
  [
    'its address as IPv6',
    {
      request: certificateRequest({
        attributes: [asksFor(alternativeNames(generalName(7, `${'\0'.repeat(10)}\xff\xff\xac\x10\x00\x68`)))],
      }),
    },
    /alternative names ::ffff/,
  ],
  [
    'no names in its list',
    { request: certificateRequest({ attributes: [asksFor(alternativeNames())] }) },
    /no alternative name/,
  ],
  [
    'a certificate that is not on the host',
    { extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${'0'.repeat(64)}`] } },
    /a certificate that is not on node01/,
  ],
];

for (const [title, forged, why] of servingForgeries) {
  test(`a serving request of node01 with ${title} is denied`, async (t) => {
    const gate = await openGate(t);
    const certificate = new X509Certificate(await makeMember(gate, t));
    const credential = `X509SHA256=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`;
    gate.server.create(servingRequest({}, { name: 'csr-forged', ...forged }));
    gate.server.create(
      servingRequest({}, { at: 1, extra: { 'authentication.kubernetes.io/credential-id': [credential] } }),
    );
    const found = await gate.perform('awaitServingRequest', gate.reference, 'node01');
    assert.equal(found.state === 'asks' ? found.request.name : found.state, 'csr-serving');
    assert.match(gate.server.decisionOn('csr-forged'), why);
  });
}

test('a serving request of node01 for node02 is not seen at the gate of node02', async (t) => {
  const gate = await openGate(t);
  await makeMember(gate, t);
  gate.server.create(servingRequest());
  const waits = gate.perform('awaitServingRequest', gate.reference, 'node02');
  await Promise.race([waits.catch(() => undefined), new Promise((r) => setTimeout(r, 1_500))]);
  assert.equal(gate.server.decisionOn('csr-serving'), 'undecided');
});

/** The object that was shown is no longer the one that stands there. */
const replaced: [string, Partial<SentRequest>][] = [
  ['another uid', {}],
  ['another signer', { signerName: 'kubernetes.io/kube-apiserver-client' }],
  ['other usages', { usages: ['digital signature', 'key encipherment', 'client auth'] }],
  ['another requester', { username: 'mallory' }],
  ['another validity', { expirationSeconds: 86_400 }],
];

for (const [title, change] of replaced) {
  test(`an approval is not written into a request that was made again under its name with ${title}`, async (t) => {
    const gate = await openGate(t);
    const keys = ecKeys();
    const request = certificateRequest({ keys });
    await kubeletAsks(gate, { request }, keys);
    const shown = await gate.shown();
    gate.server.create({ name: shown.name, username: gate.token, request, ...change });
    const { message, nonRetryable } = await refusalOf(gate.approve(shown));
    assert.equal(
      message,
      'the request node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0 is not the one that was decided about',
    );
    assert.equal(nonRetryable, true);
    assert.equal(gate.server.decisionOn('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'), 'undecided');
  });
}

test('a request that is replaced between the last look and the write is not approved', async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  const shown = await gate.shown();
  gate.server.beforeWrite = () =>
    gate.server.create({ name: shown.name, username: gate.token, request: certificateRequest() });
  const { message, nonRetryable } = await refusalOf(gate.approve(shown));
  assert.match(message, /409/);
  assert.notEqual(nonRetryable, true, 'the next attempt looks again');
  assert.equal(gate.server.decisionOn('node-csr-0i0Tw1xohB9rz3nhsZ-52wmu_aPMqJBWBLbudIFsCM0'), 'undecided');
});

/** What somebody who can schedule activities asks for, with a digest that is right. */
const rogue: [string, Partial<SentRequest>, RegExp][] = [
  [
    'a request to another signer',
    {
      username: 'mallory',
      signerName: 'kubernetes.io/kube-apiserver-client',
      request: certificateRequest({
        subject: subject(attribute(ORGANIZATION, 'admins'), attribute(COMMON_NAME, 'mallory')),
      }),
    },
    /cannot be approved: signer kubernetes\.io\/kube-apiserver-client, allowed/,
  ],
  ["a request of somebody else's", { username: 'mallory' }, /cannot be approved: sent by mallory/],
  [
    'a request with a key that is not on the host',
    {},
    /cannot be approved: its key is [0-9a-f]{64}, on node01 waits none/,
  ],
  [
    'a request that cannot be read',
    { request: 'nothing' },
    /cannot be approved: the certificate signing request is not one PEM block/,
  ],
];

for (const [title, sent, why] of rogue) {
  test(`whoever schedules an approval of ${title} is refused`, async (t) => {
    const gate = await openGate(t);
    gate.server.create({ name: 'wanted', username: gate.token, request: certificateRequest(), ...sent });
    const { requestSha256 } = await import('../../activities/certificate-requests.js');
    const csr = await gate.server.api.read({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'wanted' },
    });
    const request = { node: 'node01', purpose: 'client', name: 'wanted', csrSha256: requestSha256(csr as never) };
    const { message, nonRetryable } = await refusalOf(gate.approve(request as never));
    assert.match(message, why);
    assert.equal(nonRetryable, true);
    assert.equal(gate.server.decisionOn('wanted'), 'undecided');
  });
}

test('an activity takes no name that is a path, no host that is not in the inventory, and no other decision', async (t) => {
  const gate = await openGate(t);
  await kubeletAsks(gate);
  const shown = await gate.shown();
  const decide = (request: object, decided: object): ReturnType<typeof refusalOf> =>
    refusalOf(gate.perform('decideCertificateRequest', gate.reference, request, decided));
  const approval = { node: 'node01', decision: 'approve', approver: 'ada' };
  assert.match(
    (await decide({ ...shown, name: '../../../v1/secrets' }, approval)).message,
    /an argument that no workflow of ours gives: name/,
  );
  assert.match((await decide({ ...shown, node: 'node99' }, approval)).message, /no host node99 in cluster small/);
  assert.match((await decide({ ...shown, node: 'master01' }, approval)).message, /does not have the role node/);
  assert.match((await decide({ ...shown, purpose: 'any' }, approval)).message, /purpose/);
  assert.match((await decide(shown, { ...approval, decision: 'yes' })).message, /decision/);
  assert.equal(gate.server.decisionOn(shown.name), 'undecided');
});

test('a certificate that Kubernetes signs for an approved request is what was approved', async (t) => {
  const gate = await openGate(t);
  for (const usages of [
    ['digital signature', 'client auth'],
    ['digital signature', 'key encipherment', 'client auth'],
  ]) {
    const keys = ecKeys();
    const request = certificateRequest({ keys });
    gate.server.objects.clear();
    await kubeletAsks(gate, { request, usages }, keys);
    const shown = await gate.shown();
    const certificate = await sign(gate, t, request, usages);
    issue(gate, shown.name, certificate);
    assert.deepEqual((await gate.perform('checkIssuedCertificate', gate.reference, shown)).differences, []);
  }
});

test('a serving certificate that Kubernetes signs is what was approved, in whichever order its names are', async (t) => {
  const gate = await openGate(t);
  await makeMember(gate, t);
  const sent = servingRequest({ attributes: [asksFor(alternativeNames(...own.toReversed()))] });
  gate.server.create(sent);
  const found = await gate.perform('awaitServingRequest', gate.reference, 'node01');
  assert.ok(found.state === 'asks');
  issue(gate, 'csr-serving', await sign(gate, t, sent.request, sent.usages ?? []));
  assert.deepEqual((await gate.perform('checkIssuedCertificate', gate.reference, found.request)).differences, []);
});

test('a serving certificate of the authority that clients and API servers are known by is not the approved one', async (t) => {
  const gate = await openGate(t);
  await makeMember(gate, t);
  const sent = servingRequest({ attributes: [asksFor(alternativeNames(...own))] });
  gate.server.create(sent);
  const found = await gate.perform('awaitServingRequest', gate.reference, 'node01');
  assert.ok(found.state === 'asks');
  issue(gate, 'csr-serving', await sign(gate, t, sent.request, sent.usages ?? [], gate.authorities.client));
  const { differences } = await gate.perform('checkIssuedCertificate', gate.reference, found.request);
  assert.deepEqual(differences, ['is not signed by kubelet-serving-ca']);
});

function issue(gate: Gate, name: string, certificate: string): void {
  const csr = gate.server.objects.get(`certificatesigningrequests/${name}`);
  assert.ok(csr !== undefined);
  csr['status'] = { certificate: Buffer.from(certificate).toString('base64') };
}

/** The signer signs something else than what was approved. */
const others: [string, RequestParts, readonly string[], RegExp][] = [
  [
    'a key that was not approved',
    { keys: ecKeys() },
    ['digital signature', 'client auth'],
    /^key [0-9a-f]{64}, approved: [0-9a-f]{64}$/,
  ],
  [
    'names that nobody asked for',
    { attributes: [asksFor(alternativeNames(...api))] },
    ['digital signature', 'client auth'],
    /^names 10\.96\.0\.1, kubernetes\.default\.svc, approved: none$/,
  ],
  [
    'another name',
    { subject: nodeSubject('node02') },
    ['digital signature', 'client auth'],
    /^subject CN=system:node:node02, O=system:nodes, approved: CN=system:node:node01/,
  ],
  [
    'another group',
    { subject: subject(attribute(ORGANIZATION, 'system:masters'), attribute(COMMON_NAME, 'system:node:node01')) },
    ['digital signature', 'client auth'],
    /^subject .*system:masters/,
  ],
  ['the usage of a server', {}, ['digital signature', 'client auth', 'server auth'], /^extensions /],
  ['the usage of an authority', {}, ['digital signature', 'cert sign', 'client auth'], /^extensions /],
];

for (const [title, parts, usages, difference] of others) {
  test(`a certificate with ${title} is told from the approved one, and its node is kept out`, async (t) => {
    const gate = await openGate(t);
    const keys = ecKeys();
    await kubeletAsks(gate, {}, keys);
    const shown = await gate.shown();
    issue(gate, shown.name, await sign(gate, t, certificateRequest({ keys, ...parts }), usages));
    const { differences } = await gate.perform('checkIssuedCertificate', gate.reference, shown);
    assert.equal(differences.length, 1, differences.join('\n'));
    assert.match(differences[0] ?? '', difference);
    gate.server.put('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node01' } });
    await gate.perform('keepNodeOut', gate.reference, shown);
    assert.deepEqual([...gate.server.objects.keys()], []);
    assert.match(await gate.host.systemctlCalls(), /disable --now kubelet\.service/);
  });
}

test('a certificate of another authority is not the approved one', async (t) => {
  const [gate, other] = [await openGate(t), await openGate(t)];
  const keys = ecKeys();
  const request = certificateRequest({ keys });
  await kubeletAsks(gate, { request }, keys);
  const shown = await gate.shown();
  issue(gate, shown.name, await sign(other, t, request, ['digital signature', 'client auth']));
  const { differences } = await gate.perform('checkIssuedCertificate', gate.reference, shown);
  assert.deepEqual(differences, ['is not signed by kubernetes-ca']);
});
