import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CertificateRequestError, parseCertificateRequest } from '../../activities/certificates/csr.js';
import {
  type Asn1,
  decode,
  encode,
  objectIdentifier,
  primitive,
  sequence,
  Type,
} from '../../activities/certificates/der.js';
import type { RequestPurpose } from '../../cluster/certificate-request.js';
import { requestProblems, signerFor } from '../../cluster/csr-rules.js';
import {
  alternativeNames,
  asksFor,
  certificateRequest,
  ecKeys,
  generalName,
  names,
  octets,
  pemOf,
  requestInfo,
  signed,
  SUBJECT_ALT_NAME,
} from '../support/certificate-request.js';
import { answersOf, goProgram } from '../support/go.js';

/**
 * The gate and the signer each read a request: what the gate lets pass must mean the same to Go, which signs it. The
 * attacker chooses every byte of the request.
 */

const MUTANTS = 20_000;
const seed = process.env['HA_KUBERNETES_SEED'] ?? new Date().toISOString();

const own = { dns: ['node01', 'node01.example.org'], ip: ['172.16.0.104'] };
const ownNames = [generalName(2, 'node01'), generalName(7, '\xac\x10\x00\x68')];
const foreignNames = [generalName(2, 'kubernetes.default.svc'), generalName(7, '\x0a\x60\x00\x01')];

/** What Go reads; see test/support/go/reader. */
interface GoReading {
  readonly error?: string;
  readonly commonName: string;
  readonly organizations: readonly string[] | null;
  readonly attributes: number;
  readonly dns: readonly string[] | null;
  readonly ip: readonly string[] | null;
  readonly others: number;
  readonly extensions: readonly string[] | null;
  readonly key: string;
}

/** What the gate lets pass for a purpose; undefined for what it refuses. */
function passed(pem: string): ReturnType<typeof parseCertificateRequest> | undefined {
  try {
    const request = parseCertificateRequest(pem);
    const passes = (purpose: RequestPurpose): boolean =>
      requestProblems(
        {
          ...request,
          signer: signerFor(purpose),
          requester: 'x',
          usages: ['digital signature', purpose === 'client' ? 'client auth' : 'server auth'],
        },
        { node: 'node01', purpose, requester: 'x', names: own },
      ).length === 0;
    return passes('client') || passes('serving') ? request : undefined;
  } catch (error) {
    assert.ok(error instanceof CertificateRequestError, `not its own refusal: ${String(error)}`);
    return undefined;
  }
}

/** A generator of pseudo-random numbers that a seed repeats (mulberry32). */
function numbers(from: string): (below: number) => number {
  let state = createHash('sha256').update(from).digest().readInt32BE();
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** All constructed and primitive values below one. */
function nodesOf(node: Asn1): Asn1[] {
  return Array.isArray(node.value) ? [node, ...node.value.flatMap(nodesOf)] : [node];
}

/** Values that mean something, to be put where they do not belong. */
const pieces = (): Asn1[] => [
  octets(names(...foreignNames)),
  octets(names(...ownNames)),
  ...foreignNames,
  alternativeNames(...foreignNames),
  asksFor(alternativeNames(...foreignNames)),
  objectIdentifier(SUBJECT_ALT_NAME),
  objectIdentifier('2.5.29.19'),
  primitive(Type.BOOLEAN, '\xff'),
  primitive(Type.BOOLEAN, '\0'),
  primitive(Type.NULL, ''),
  sequence(),
];

/** Changes the structure of a request somewhere. */
function mutate(root: Asn1, below: (limit: number) => number): void {
  const all = nodesOf(root);
  const node = all[below(all.length)];
  if (node === undefined) return;
  const { value } = node;
  if (Array.isArray(value)) {
    const at = below(value.length + 1);
    const choice = below(6);
    const copied = value[below(Math.max(1, value.length))];
    if (choice === 0 && copied !== undefined) value.splice(at, 0, decode(encode(copied)));
    else if (choice === 1) value.splice(at, 1);
    else if (choice === 2) value.reverse();
    else if (choice === 3 && copied !== undefined) value.splice(at, 1, sequence(copied));
    else value.splice(at, 0, pieces()[below(pieces().length)] ?? sequence());
    return;
  }
  const bytes = Buffer.from(value, 'latin1');
  const choice = below(5);
  if (choice === 0 && bytes.length > 0) bytes[below(bytes.length)] = below(256);
  else if (choice === 1) Object.assign(node, { type: below(31) });
  const inserted =
    choice === 2 ? Buffer.from([0x80, below(256)]) : choice === 3 ? Buffer.from([below(256)]) : Buffer.of();
  const at = below(bytes.length + 1);
  node.value = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(choice === 4 ? at + 1 : at)]).toString(
    'latin1',
  );
}

/** A request that somebody has bent, with a signature that holds. */
function mutant(below: (limit: number) => number, keys: ReturnType<typeof ecKeys>): string {
  const attributes = [[], [asksFor(alternativeNames(...ownNames))]][below(2)] ?? [];
  const info = requestInfo({ keys, attributes });
  for (let count = 1 + below(2); count > 0; count -= 1) mutate(info, below);
  const request = signed(info, keys);
  if (below(10) === 0) mutate(request, below);
  const der = encode(request);
  return pemOf(der);
}

test(
  'what the gate lets pass is what Go reads, for any structure that somebody may send',
  { timeout: 300_000 },
  async (t) => {
    t.diagnostic(`HA_KUBERNETES_SEED=${seed}`);
    const below = numbers(seed);
    const keys = ecKeys();
    const requests: string[] = [];
    for (let count = 0; count < MUTANTS; count += 1) requests.push(mutant(below, keys));
    requests.push(
      certificateRequest({ keys }),
      certificateRequest({ keys, attributes: [asksFor(alternativeNames(...ownNames))] }),
    );
    const passing = requests.flatMap((pem) => {
      const request = passed(pem);
      return request === undefined ? [] : [{ pem, request }];
    });
    assert.ok(passing.length >= 2, 'the honest requests pass');
    const readings = await answersOf<GoReading>(
      await goProgram(t, 'reader'),
      [],
      passing.map(({ pem }) => pem),
    );
    let same = 0;
    passing.forEach(({ pem, request }, index) => {
      const go = readings[index];
      assert.ok(go !== undefined);
      // What the API server refuses is never there to be signed.
      if (go.error !== undefined) return;
      same += 1;
      assert.deepEqual(
        {
          ...go,
          organizations: go.organizations ?? [],
          dns: go.dns ?? [],
          ip: go.ip ?? [],
          extensions: go.extensions ?? [],
        },
        {
          commonName: request.subject.commonName,
          organizations: request.subject.organizations,
          attributes: 2,
          dns: request.dnsSans,
          ip: request.ipSans,
          others: 0,
          extensions: request.dnsSans.length + request.ipSans.length > 0 ? [SUBJECT_ALT_NAME] : [],
          key: request.publicKey.sha256,
        },
        `seed ${seed}\n${pem}`,
      );
    });
    t.diagnostic(`${requests.length} requests, ${passing.length} pass, of which Go accepts ${same}`);
  },
);
