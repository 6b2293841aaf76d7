import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { Command } from 'commander';
import { writeJson } from '../client/output.js';
import type { DeployResult } from '../workflows/deploy-ha.js';
import type { DrillResult } from '../workflows/failover-drill.js';
import { summary, text, type Nodes, type Report } from './demo-summary.js';

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
