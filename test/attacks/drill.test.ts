import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { pino } from 'pino';
import { ClusterContexts } from '../../activities/cluster-context.js';
import { drillActivities } from '../../activities/failover-drill.js';
import { UnknownHostError } from '../../cluster/topology.js';
import { specOf } from '../cluster/documents.js';
import { refusalOf } from '../support/gate.js';
import { smallSpec } from '../workflows/mock-activities.js';

/** Whoever can schedule activities names a host, or a snapshot, of his choice. */

const log = pino({ level: 'silent' });

/** A cluster of three masters, of which master01 holds both leases; `asked` is what its hosts were told. */
function cluster(asked: string[]): Parameters<typeof drillActivities>[0] {
  const names = ['master01', 'master02', 'master03'];
  const hosts = names.map((name, index) => ({
    name,
    address: `172.16.0.10${index}`,
    roles: ['etcd', 'control-plane'],
  }));
  const etcd = hosts.map(({ address }, index) => ({
    Endpoint: `https://${address}:2379`,
    Status: { leader: 1, header: { member_id: index + 1 } },
  }));
  const kubernetes = {
    only: () => kubernetes,
    list: () => Promise.resolve([]),
    read: ({ kind }: { kind: string }) =>
      Promise.resolve(kind === 'Lease' ? { spec: { holderIdentity: 'master01_6f1a' } } : {}),
  };
  const context = {
    spec: specOf({ name: 'small', kubernetes: 'v1.37.1', domain: 'example.org', hosts }),
    kubernetes,
    host: (name: string) => {
      if (!names.includes(name)) throw new UnknownHostError(`no host ${name} in cluster small`);
      return {
        run: ({ command }: { command: string }) => {
          asked.push(`${name}: ${command}`);
          return Promise.resolve({ stdout: JSON.stringify(etcd), stderr: '' });
        },
      };
    },
  };
  return { contexts: { get: () => Promise.resolve(context) }, log } as never;
}

test('no host is powered off that holds no lease, or is none of the cluster', async () => {
  const victims: [string, RegExp][] = [
    ['master02', /master02 holds no lease/],
    ['elsewhere', /no host elsewhere in cluster small/],
    ['', /no host {2}in cluster small/],
  ];
  for (const [victim, why] of victims) {
    const asked: string[] = [];
    const { powerOff } = drillActivities(cluster(asked));
    const performed = new MockActivityEnvironment().run(powerOff, { cluster: 'small', specDigest: '' }, victim);
    const { message, nonRetryable } = await refusalOf(performed);
    assert.match(message, why);
    assert.equal(nonRetryable, true);
    assert.ok(!asked.some((command) => command.includes('poweroff')), asked.join());
  }
});

test("a snapshot is not used for another cluster's name", async () => {
  const store = { cluster: () => Promise.resolve({ getSpec: () => Promise.resolve(smallSpec) }) };
  const contexts = new ClusterContexts(store as never, {} as never, log);
  await assert.rejects(contexts.get({ cluster: 'other', specDigest: '5'.repeat(64) }), {
    message: /^the snapshot 5{64} describes cluster small, not other/,
  });
});
