import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { LabError } from '../../lab/errors.js';
import { parseHosts } from '../../lab/hosts.js';

const parse = (list: string, existing = [] as { name: string; address: string }[]): string =>
  parseHosts(list, existing)
    .map(({ name, address }) => `${name}=${address}`)
    .join(',');

suite('the list of hosts', () => {
  test("a host of the seed has the seed's address, another the next free one", () => {
    assert.equal(parse('master02, node04,node05'), 'master02=172.16.0.102,node04=172.16.0.107,node05=172.16.0.108');
  });

  test('a host that exists keeps its address', () => {
    assert.equal(
      parse('node04,node05', [{ name: 'node05', address: '172.16.0.107' }]),
      'node04=172.16.0.108,node05=172.16.0.107',
    );
  });

  test('an address can be given', () => {
    assert.equal(parse('storage=172.16.0.20'), 'storage=172.16.0.20');
  });

  const refusals: [title: string, list: string, message: RegExp][] = [
    ['a name too long for a network link is refused', 'a-very-long-name', /at most 12 characters/],
    ['a name that would leave its directory is refused', '../master01', /no host name/],
    ["the switch's own name is refused", 'switch', /other than switch and machine/],
    ['an empty list is refused', '', /"" is no host name/],
    ['an address outside the network is refused', 'node04=10.0.0.4', /172\.16\.0\.2 to 172\.16\.0\.253/],
    ["the machine's own address is refused", 'node04=172.16.0.254', /172\.16\.0\.2 to 172\.16\.0\.253/],
    ["another host's address is refused", 'node04=172.16.0.101', /belongs to master01/],
    ['two hosts with one address are refused', 'node04=172.16.0.9,node05=172.16.0.9', /belongs to node04/],
  ];
  for (const [title, list, message] of refusals) {
    test(title, () => {
      assert.throws(
        () => parseHosts(list, []),
        (error) => error instanceof LabError && message.test(error.message),
      );
    });
  }

  test('a host that exists is not moved to another address', () => {
    assert.throws(() => parse('node04=172.16.0.9', [{ name: 'node04', address: '172.16.0.107' }]), /lab down/);
  });
});
