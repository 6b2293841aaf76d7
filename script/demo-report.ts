import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { Command } from 'commander';
import { writeJson } from '../client/output.js';
import { leaseNames, type LeaseHolders } from '../cluster/leases.js';
import type { DeployResult } from '../workflows/deploy-ha.js';
import type { DrillResult } from '../workflows/failover-drill.js';

/** What `start-workflow --json` writes: the result of the workflow, and how the client saw the run. */
type Report<Result> = Result & { readonly seconds: number; readonly ui: string };

type Nodes = DeployResult['nodes'];

await new Command('demo-report')
  .description('says what came of a demo, from the reports of its workflows and the running cluster')
  .argument('<directory>', "the demo's directory")
  .option('--json <file>', 'also write one JSON object')
  .action(async (directory: string, options: { json?: string }) => {
    const deploy = await read<Report<DeployResult>>(join(directory, 'deploy-ha.json'));
    const drill = await read<Report<DrillResult>>(join(directory, 'failover-drill.json'));
    const nodes = await nodesNow(deploy.kubeconfig);
    process.stdout.write(`\n${text(deploy, drill, nodes).join('\n')}\n\n`);
    await writeJson(options.json, summary(deploy, drill, nodes));
  })
  .parseAsync();

async function read<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** The nodes after all of it, as the cluster itself tells. */
async function nodesNow(kubeconfig: string): Promise<Nodes> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const { items } = await config.makeApiClient(CoreV1Api).listNode();
  return items.map(({ metadata, status }) => ({
    name: metadata?.name ?? '',
    ready: status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false,
    version: status?.nodeInfo?.kubeletVersion ?? '',
  }));
}

function text(deploy: Report<DeployResult>, drill: Report<DrillResult>, nodes: Nodes): string[] {
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

function summary(deploy: Report<DeployResult>, drill: Report<DrillResult>, nodes: Nodes): object {
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
