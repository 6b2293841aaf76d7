import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readReport } from '../../activities/audit.js';
import {
  benchmarkConfiguration,
  benchmarkFiles,
  benchmarkTargets,
  skippedChecks,
  warningReasons,
} from '../../cluster/benchmark.js';
import { componentsOf, componentState } from '../../cluster/components/index.js';
import { artifactLockSchema } from '../../cluster/artifacts.js';
import { deploySteps } from '../../cluster/operations/deploy-ha.js';
import { requireSupport } from '../../cluster/versions.js';
import { seedDocument, specOf } from './documents.js';

const spec = specOf({ ...seedDocument(), kubernetes: 'v1.20.2' });

test('each minor is checked by the newest benchmark that is meant for it', () => {
  assert.equal(requireSupport('v1.20.2').benchmark, 'cis-1.20');
  for (const version of ['v1.35.8', 'v1.36.4', 'v1.37.2']) assert.equal(requireSupport(version).benchmark, 'cis-1.12');
});

test('a host is checked by the parts that its roles concern', () => {
  assert.deepEqual(benchmarkTargets({ roles: ['etcd', 'control-plane'] }), ['etcd', 'master', 'controlplane']);
  assert.deepEqual(benchmarkTargets({ roles: ['node'] }), ['node']);
  assert.deepEqual(skippedChecks({ roles: ['etcd', 'control-plane'] }), ['1.1.13', '1.1.14']);
  assert.ok(skippedChecks({ roles: ['control-plane'] }).includes('1.1.11'));
  assert.deepEqual(benchmarkFiles('cis-1.12').sort(), [
    'cfg/cis-1.12/config.yaml',
    'cfg/cis-1.12/controlplane.yaml',
    'cfg/cis-1.12/etcd.yaml',
    'cfg/cis-1.12/master.yaml',
    'cfg/cis-1.12/node.yaml',
  ]);
});

test('every path that the benchmark is told of is written by a component, or by the kubelet', () => {
  const lock = artifactLockSchema.parse(
    parse(readFileSync(new URL('../../../cluster/locks/v1.20.2.yaml', import.meta.url), 'utf8')),
  );
  const facts = { distribution: 'debian-12', machine: 'x86_64', resolvConf: '/etc/resolv.conf', cgroup: 'v2' } as const;
  const states = spec.hosts.flatMap((host) =>
    componentsOf(spec, host).map((component) =>
      componentState(component, { spec, host, lock, facts: { ...facts, ipvs: false, nftables: false } }),
    ),
  );
  const written = new Set([
    ...states.flatMap(({ files, directories }) => [...files, ...directories].map(({ path }) => path)),
    '/etc/kubernetes/kubelet.conf',
  ]);
  const told = [...benchmarkConfiguration('cis-1.12').matchAll(/- (\/\S+)/g)].map(([, path = '']) => path);
  assert.ok(told.length > 12);
  for (const path of told) assert.ok(written.has(path), path);
});

test('a report is read for what it found, and nothing of command lines is kept', () => {
  const result = (id: string, status: string): object => ({
    test_number: id,
    test_desc: `Ensure ${id}`,
    status,
    actual_value: 'kube-apiserver --etcd-keyfile=/secret',
  });
  const output = JSON.stringify({
    Controls: [
      { tests: [{ results: [result('1.1.1', 'PASS'), result('1.2.16', 'FAIL'), result('1.2.9', 'WARN')] }] },
      { tests: [{ results: [result('9.9.9', 'WARN'), result('2.1', 'PASS')] }] },
    ],
    Totals: { total_pass: 2 },
  });
  assert.deepEqual(readReport(output, 'cis-1.12'), {
    passed: 2,
    failed: [{ id: '1.2.16', title: 'Ensure 1.2.16' }],
    warned: [
      { id: '1.2.9', title: 'Ensure 1.2.9', reason: warningReasons['cis-1.12']['1.2.9'] },
      { id: '9.9.9', title: 'Ensure 9.9.9' },
    ],
  });
});

test('hosts are audited at the end of a deployment whose lock file has kube-bench, and else not', () => {
  assert.ok(!deploySteps(spec).some(({ kind }) => kind === 'audit'));
  const audits = deploySteps(spec, { audit: true }).filter(({ kind }) => kind === 'audit');
  assert.deepEqual(
    audits.map(({ id, needs }) => [id, needs]),
    spec.hosts.map(({ name }) => [`audit:${name}`, ['verify']]),
  );
});

test('docs/hardening.md gives every reason why a check is left to judge, in the same words', () => {
  const documentation = readFileSync(new URL('../../../docs/hardening.md', import.meta.url), 'utf8').replace(
    / +\|/g,
    ' |',
  );
  for (const [benchmark, reasons] of Object.entries(warningReasons)) {
    for (const [id, reason] of Object.entries(reasons)) {
      assert.ok(documentation.includes(`| ${benchmark} ${id} | ${reason} |`), `| ${benchmark} ${id} | ${reason} |`);
    }
  }
});
