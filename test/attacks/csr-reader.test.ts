import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { CertificateRequestError, parseCertificateRequest } from '../../activities/certificates/csr.js';
import { type Asn1, encode, objectIdentifier, primitive, sequence, Type } from '../../activities/certificates/der.js';
import {
  alternativeNames,
  asksFor,
  attribute,
  certificateRequest,
  COMMON_NAME,
  ecKeys,
  EXTENSION_REQUEST,
  generalName,
  names,
  octets,
  ORGANIZATION,
  pemOf,
  set,
  subject,
  SUBJECT_ALT_NAME,
} from '../support/certificate-request.js';

/** A request that could mean two things is not read at all. The attacker chooses every byte of it. */

const own = [generalName(2, 'node01'), generalName(7, '\xac\x10\x00\x68')];
const api = [generalName(2, 'kubernetes.default.svc'), generalName(7, '\x0a\x60\x00\x01')];
const honest = certificateRequest({ attributes: [asksFor(alternativeNames(...own))] });
const withExtension = (...parts: Asn1[]): string =>
  certificateRequest({ attributes: [asksFor(sequence(objectIdentifier(SUBJECT_ALT_NAME), ...parts))] });
const named = (...rdns: Parameters<typeof subject>): string => certificateRequest({ subject: subject(...rdns) });
const organization = attribute(ORGANIZATION, 'system:nodes');
const commonName = attribute(COMMON_NAME, 'system:node:node01');

/** The same request with its bytes changed after it was signed, which is too late for its signature alone. */
function changed(change: (der: Buffer) => Buffer): string {
  return pemOf(change(Buffer.from(honest.replaceAll(/-----.*-----/g, ''), 'base64')));
}

const attacks: [string, () => string][] = [
  [
    'names of the API before its own in one extension',
    () => withExtension(octets(names(...api)), octets(names(...own))),
  ],
  [
    'its own names before those of the API in one extension',
    () => withExtension(octets(names(...own)), octets(names(...api))),
  ],
  [
    'an extension that says that it is not critical',
    () => withExtension(primitive(Type.BOOLEAN, '\0'), octets(names(...own))),
  ],
  [
    'an extension of four parts',
    () => withExtension(primitive(Type.BOOLEAN, '\xff'), primitive(Type.NULL, ''), octets(names(...own))),
  ],
  [
    'its names in two attributes',
    () => certificateRequest({ attributes: [asksFor(alternativeNames(...own)), asksFor(alternativeNames(...api))] }),
  ],
  [
    'its names in two values of one attribute',
    () =>
      certificateRequest({
        attributes: [
          sequence(
            objectIdentifier(EXTENSION_REQUEST),
            set(sequence(alternativeNames(...own)), sequence(alternativeNames(...api))),
          ),
        ],
      }),
  ],
  [
    'its names twice',
    () => certificateRequest({ attributes: [asksFor(alternativeNames(...own), alternativeNames(...api))] }),
  ],
  [
    "Microsoft's attribute for extensions",
    () =>
      certificateRequest({
        attributes: [sequence(objectIdentifier('1.3.6.1.4.1.311.2.1.14'), set(sequence(alternativeNames(...own))))],
      }),
  ],
  [
    'an attribute beside the one for extensions',
    () =>
      certificateRequest({
        attributes: [sequence(objectIdentifier('1.2.840.113549.1.9.7'), set(primitive(Type.UTF8, 'challenge')))],
      }),
  ],
  ['text before the PEM block', () => `the request of node01\n${honest}`],
  ['text after the PEM block', () => `${honest}and more\n`],
  ['a second PEM block', () => honest + honest],
  ['PEM headers', () => honest.replace('REQUEST-----\n', 'REQUEST-----\nProc-Type: 4\n\n')],
  ['base64 that ends in its middle', () => honest.replace(/\n([A-Za-z0-9+/]{4})/, '\n$1=')],
  ['a byte after its end', () => changed((der) => Buffer.concat([der, Buffer.of(0)]))],
  ['a name in a string type of the nineties', () => named(attribute(COMMON_NAME, 'node01', 20))],
  ['a name in UTF-16', () => named(attribute(COMMON_NAME, '\0n\0o', 30))],
  ['a name in Latin-1', () => named(attribute(COMMON_NAME, 'caf\u00e9', Type.IA5STRING))],
  ['a character that PrintableString has not', () => named(attribute(COMMON_NAME, 'a@b', Type.PRINTABLESTRING))],
  ['two common names', () => named(organization, commonName, attribute(COMMON_NAME, 'admin'))],
  ['an escape sequence in its name', () => named(attribute(COMMON_NAME, 'node01\u001b[2K'))],
  ['a soft hyphen in its name', () => named(attribute(COMMON_NAME, 'node\u00ad01'))],
  ['a right-to-left override in its name', () => named(attribute(COMMON_NAME, 'node\u202e10'))],
  ['a NUL in a DNS name', () => withExtension(octets(names(generalName(2, 'node01\0.evil'))))],
  ['a DNS name that is not ASCII', () => withExtension(octets(names(generalName(2, 'node\xe9'))))],
  ['an address with a mask', () => withExtension(octets(names(generalName(7, '\xac\x10\x00\x68\xff\xff\xff\x00'))))],
  [
    'an OID with a padded arc',
    () =>
      certificateRequest({
        attributes: [asksFor(sequence(primitive(Type.OID, '\x55\x1d\x80\x11'), octets(names(...own))))],
      }),
  ],
  [
    'an OID with an arc of more than 32 bits that wraps around',
    () =>
      certificateRequest({
        attributes: [asksFor(sequence(primitive(Type.OID, '\x55\x1d\x90\x80\x80\x80\x11'), octets(names(...own))))],
      }),
  ],
  [
    'an RSA key with exponent 3',
    () => certificateRequest({ keys: generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }) }),
  ],
  [
    'a curve that is spelt out',
    () => certificateRequest({ keys: generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }) }),
  ],
  [
    'a curve that Kubernetes does not know',
    () => certificateRequest({ keys: generateKeyPairSync('ec', { namedCurve: 'secp224r1' }) }),
  ],
  [
    'a compressed key',
    () => {
      const { publicKey, privateKey } = ecKeys();
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
      const sign = (Buffer.from(y, 'base64url').at(-1) ?? 0) % 2 === 0 ? '\x02' : '\x03';
      const spki = sequence(
        sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier('1.2.840.10045.3.1.7')),
        primitive(Type.BITSTRING, `\0${sign}${Buffer.from(x, 'base64url').toString('latin1')}`),
      );
      const bytes = encode(spki);
      return certificateRequest({
        keys: { privateKey, publicKey: { export: () => bytes } as never },
      });
    },
  ],
];

for (const [title, request] of attacks) {
  test(`a request with ${title} is refused`, () => {
    const pem = request();
    assert.throws(() => parseCertificateRequest(pem), CertificateRequestError);
  });
}

test('the requests of kubelets are read', () => {
  assert.deepEqual(parseCertificateRequest(certificateRequest()).otherExtensions, []);
  const { dnsSans, ipSans, signatureValid } = parseCertificateRequest(honest);
  assert.deepEqual([dnsSans, ipSans, signatureValid], [['node01'], ['172.16.0.104'], true]);
});
