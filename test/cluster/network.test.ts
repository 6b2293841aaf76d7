import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockSize,
  contains,
  formatIpv4,
  nthAddress,
  overlaps,
  parseCidr,
  parseIpv4,
  type Cidr,
} from '../../cluster/network.js';

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const block: fc.Arbitrary<Cidr> = fc
  .record({ address, prefix: fc.integer({ min: 0, max: 32 }) })
  .map(({ address: inside, prefix }) => ({ base: inside - (inside % blockSize(prefix)), prefix }));
const text = ({ base, prefix }: Cidr): string => `${formatIpv4(base)}/${prefix}`;

test('every address reads back as it was written', () => {
  fc.assert(fc.property(address, (number) => assert.equal(parseIpv4(formatIpv4(number)), number)));
});

test('every block reads back as it was written', () => {
  fc.assert(fc.property(block, (cidr) => assert.deepEqual(parseCidr(text(cidr)), cidr)));
});

test('a block with a host bit set is no block', () => {
  fc.assert(
    fc.property(
      block.filter(({ prefix }) => prefix < 32),
      address,
      (cidr, seed) => {
        const bits = 1 + (seed % (blockSize(cidr.prefix) - 1));
        assert.equal(parseCidr(text({ ...cidr, base: cidr.base + bits })), undefined);
      },
    ),
  );
});

test('two blocks overlap in either order, and exactly when one holds the first address of the other', () => {
  fc.assert(
    fc.property(block, block, (a, b) => {
      assert.equal(overlaps(a, b), overlaps(b, a));
      assert.equal(overlaps(a, b), contains(a, b.base) || contains(b, a.base));
    }),
  );
});

test('the n-th address of a block lies in it and n after its first', () => {
  fc.assert(
    fc.property(block, address, (cidr, seed) => {
      const n = seed % blockSize(cidr.prefix);
      const found = parseIpv4(nthAddress(text(cidr), n));
      assert.equal(found, cidr.base + n);
      assert.ok(contains(cidr, cidr.base + n));
    }),
  );
});

test('an address that a block does not have is an error', () => {
  assert.throws(() => nthAddress('10.64.0.0/29', 10), /10\.64\.0\.0\/29 has no address number 10/);
  assert.throws(() => nthAddress('10.64.0.0', 1), RangeError);
});

for (const bad of ['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', '1e1.2.3.4', '::1']) {
  test(`"${bad}" is no IPv4 address`, () => {
    assert.equal(parseIpv4(bad), undefined);
  });
}

for (const bad of ['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/1e1', '/8']) {
  test(`"${bad}" is no IPv4 block`, () => {
    assert.equal(parseCidr(bad), undefined);
  });
}
