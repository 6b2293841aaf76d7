import { leaseNames, type LeaseHolders } from '../cluster/leases.js';
import type { StepRecord } from '../workflows/engine/dag.js';
import type { DeployResult } from '../workflows/deploy-ha.js';
import type { DrillResult } from '../workflows/failover-drill.js';

/** What `start-workflow --json` writes: the result of the workflow, and how the client saw the run. */
export type Report<Result> = Result & {
  readonly seconds: number;
  readonly ui: string;
  readonly steps: readonly StepRecord[];
};

export type Nodes = DeployResult['nodes'];

/** What came of a demo, a line each, for people. */
export function text(deploy: Report<DeployResult>, drill: Report<DrillResult>, nodes: Nodes): string[] {
  const holders = (leases: LeaseHolders): string =>
    leaseNames.map((name) => `${name.replace('kube-', '')} on ${leases[name]}`).join(', ');
  const rows: [string, string][] = [
    ['Kubernetes', `${deploy.kubernetes}, deployed in ${deploy.seconds.toFixed(1)} s`],
    ['etcd', `${deploy.etcd.members} members, ${deploy.etcd.leader} led after the deployment`],
    [
      'nodes',
      nodes.map(({ name, ready, version }) => `${name} ${ready ? 'Ready' : 'NOT Ready'} ${version}`).join(', '),
    ],
    ...deploy.checks.map(({ name, ok }): [string, string] => ['check', `${ok ? 'passed' : 'FAILED'}: ${name}`]),
    ['leases before', holders(drill.before)],
    ['drill', `${drill.victim} was powered off; its leases moved after ${drill.leaseMoveSeconds.toFixed(1)} s`],
    ['leases after', holders(drill.after)],
    [
      'meanwhile',
      drill.nodesNotReady.length === 0 ? 'no node left Ready' : `left Ready: ${drill.nodesNotReady.join(', ')}`,
    ],
    ['now', `${drill.victim} is back, all is as before`],
    ['kubeconfig', deploy.kubeconfig],
    ['history', deploy.ui],
  ];
  return rows.map(([name, value]) => `${name.padEnd(14)} ${value}`);
}

/** What came of a demo, for programs; steps and seconds are those of deploy-ha. */
export function summary(deploy: Report<DeployResult>, drill: Report<DrillResult>, nodes: Nodes): object {
  const { kubernetes, seconds, etcd, kubeconfig, ui } = deploy;
  return {
    kubernetes,
    seconds,
    nodes,
    etcd: { members: etcd.members, leader: etcd.leader },
    leases: { before: drill.before, after: drill.after },
    drill: { victim: drill.victim, leaseMoveSeconds: drill.leaseMoveSeconds },
    checks: deploy.checks.map(({ name, ok }) => ({ name, ok })),
    steps: deploy.steps.map(({ id, title, host, start, end, attempts }) => ({
      id,
      title,
      host: host ?? null,
      start: start ?? null,
      end: end ?? null,
      attempts,
    })),
    kubeconfig,
    ui,
  };
}
