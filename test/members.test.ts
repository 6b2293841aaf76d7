import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { execa } from 'execa';
import type { ClusterContext } from '../activities/cluster-context.js';
import { isWell, requireOthersWell } from '../activities/members.js';
import type { Component } from '../cluster/components/index.js';
import { nothing, type HostState } from '../cluster/desired-state.js';
import { seedDocument, specOf } from './cluster/documents.js';
import { temporaryDirectory } from './support/temporary-directory.js';

const signal = new AbortController().signal;

/** What a host says of a unit: whether systemd calls it active, and whether its probe holds. */
type Member = 'well' | 'unwell' | 'stopped';

/** Hosts of the seed, whose members are well unless a test says otherwise, by `component host`. */
async function cluster(t: TestContext, members: Readonly<Record<string, Member>> = {}): Promise<ClusterContext> {
  const directory = await temporaryDirectory(t);
  // The script runs as it is sent; only systemctl is the test's.
  const systemctl = join(directory, 'systemctl');
  await writeFile(systemctl, '#!/bin/sh\nfor unit; do :; done\ncase " $STOPPED " in *" $unit "*) exit 3 ;; esac\n');
  await chmod(systemctl, 0o755);
  const of = (component: string, host: string): Member => members[`${component} ${host}`] ?? 'well';
  const state = (component: Component, host: string): HostState => ({
    ...nothing,
    units: [{ name: `${component}.service`, enabled: true, running: true, restartOn: [], startTimeoutSeconds: 60 }],
    ready: [
      {
        title: `${component} on ${host} answers`,
        command: of(component, host) === 'well' ? 'true' : 'false',
        timeoutSeconds: 60,
      },
    ],
  });
  return {
    spec: specOf(seedDocument()),
    facts: () => Promise.resolve({}),
    desiredState: state,
    host: (name: string) => ({
      name,
      run: ({ stdin }: { stdin: string }) =>
        execa('sh', ['-s'], {
          input: stdin,
          env: {
            PATH: `${directory}:${process.env['PATH'] ?? ''}`,
            STOPPED: Object.keys(members)
              .filter((key) => key.endsWith(` ${name}`) && members[key] === 'stopped')
              .map((key) => `${key.split(' ')[0] ?? ''}.service`)
              .join(' '),
          },
        }),
    }),
  } as unknown as ClusterContext;
}

const touch = async (context: ClusterContext, component: Component): Promise<void> =>
  requireOthersWell(context, 'master01', component, signal);

test('a member is touched while all others are well, whatever it is itself', async (t) => {
  await touch(await cluster(t), 'etcd');
  await touch(await cluster(t, { 'etcd master01': 'unwell', 'kube-apiserver master01': 'stopped' }), 'etcd');
});

test('a member is not touched while another of its kind is unwell or stopped', async (t) => {
  for (const state of ['unwell', 'stopped'] as const) {
    await assert.rejects(
      touch(await cluster(t, { 'etcd master03': state }), 'etcd'),
      /not touched while another member is not well/,
    );
  }
  await assert.rejects(
    touch(await cluster(t, { 'kube-apiserver master02': 'stopped' }), 'kube-apiserver'),
    /another member is not well: master02: not running: kube-apiserver\.service/,
  );
});

test('a member is not touched while one of another kind runs and does not serve', async (t) => {
  await assert.rejects(
    touch(await cluster(t, { 'kube-apiserver master02': 'unwell' }), 'etcd'),
    /another member is not well: master02: not true: kube-apiserver on master02 answers/,
  );
});

test('one of another kind that is stopped keeps nobody from being mended', async (t) => {
  await touch(await cluster(t, { 'kube-apiserver master02': 'stopped' }), 'etcd');
});

test('a member serves when it runs and its probes hold', async (t) => {
  const ask = async (member: Member): Promise<boolean> =>
    isWell(await cluster(t, { 'etcd master01': member }), 'master01', 'etcd', signal);
  assert.deepEqual([await ask('well'), await ask('unwell'), await ask('stopped')], [true, false, false]);
});
