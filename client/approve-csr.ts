#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from 'commander';
import { decide, list, show } from './certificate-requests.js';
import { addCompletion } from './completion.js';
import { exitOnWrongUse, runCommand } from './errors.js';
import { commanderOutput } from './output.js';
import { operator } from './temporal.js';
import { version } from './version.js';

const cluster = (): Option => new Option('--cluster <name>', 'name of the cluster').makeOptionMandatory();
const json = (): Option => new Option('--json', 'as JSON');
const wait = (): Option =>
  new Option('--wait <seconds>', 'wait that long for the request to arrive').argParser(secondsOf).default(0);

function secondsOf(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError(`allowed: whole seconds, e.g. 600`);
  return Number(text);
}

const program = new Command('approve-csr')
  .description(
    'Decides about the certificate requests of nodes that join; a decision is about the one request that was shown.',
  )
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .configureOutput(commanderOutput)
  .exitOverride(exitOnWrongUse);

program
  .command('list')
  .description('requests that wait for a decision')
  .addOption(cluster())
  .addOption(json())
  .action((options: { cluster: string; json?: true }) => runCommand(() => list(options.cluster, options.json)));

program
  .command('show')
  .description('who asks for what')
  .argument('<node>')
  .addOption(cluster())
  .addOption(wait())
  .addOption(json())
  .action((node: string, options: { cluster: string; wait: number; json?: true }) =>
    runCommand(() => show(node, options)),
  );

for (const decision of ['approve', 'deny'] as const) {
  program
    .command(decision)
    .description(`${decision} a node's request`)
    .argument('<node>')
    .argument('[sha256]', 'which request, as show prints it; its first eight characters are enough')
    .addOption(cluster())
    .option('--approver <name>', 'who decides', operator())
    .option('--reason <text>', 'why, for the record')
    .addOption(wait())
    .action((node: string, sha256: string | undefined, options: Omit<Parameters<typeof decide>[2], 'sha256'>) =>
      runCommand(() => decide(node, decision, { ...options, ...(sha256 === undefined ? {} : { sha256 }) })),
    );
}

addCompletion(program);

await program.parseAsync();
