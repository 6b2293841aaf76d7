#!/usr/bin/env node
import { Command, Option } from 'commander';
import { leaseNames, type LeaseName } from '../cluster/leases.js';
import { audit } from './audit.js';
import { addNode, deployHa, destroy, failoverDrill, rotateEncryptionKey } from './changes.js';
import { confirmName } from './confirm.js';
import { addCompletion } from './completion.js';
import { exitOnWrongUse, runCommand, UserError } from './errors.js';
import { commanderOutput, print } from './output.js';
import { compare, plan } from './plan.js';
import { readSpec } from './spec-file.js';
import { abort, answerSteps, hostBack, status } from './steering.js';
import { version } from './version.js';

const file = (): Option => new Option('-f, --file <cluster.yaml>', 'the cluster').makeOptionMandatory();
const json = (): Option => new Option('--json [path]', 'write the result as JSON to a file, or to standard output');
const detach = (): Option => new Option('--detach', 'start it and return; watch it later with: status --watch');
const reason = (): Option => new Option('--reason <text>', 'why, for the record').makeOptionMandatory();
const cluster = (): Option => new Option('--cluster <name>', 'name of the cluster').makeOptionMandatory();

const program = new Command('start-workflow')
  .description('Builds and drills a highly available Kubernetes on your own hosts, as durable Temporal workflows.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .configureOutput(commanderOutput)
  .exitOverride(exitOnWrongUse);

program
  .command('deploy-ha')
  .description('build the cluster of a file, finish building it, or find that there is nothing to do')
  .addOption(file())
  .addOption(json())
  .addOption(detach())
  .action((options: ChangeOptions) => runCommand(async () => deployHa(await readSpec(options.file), options)));

program
  .command('add-node')
  .description('join one host of the file, with role node, to the running cluster')
  .argument('<host>', 'name of the host in the file')
  .addOption(file())
  .addOption(json())
  .addOption(detach())
  .action((host: string, options: ChangeOptions) =>
    runCommand(async () => addNode(await readSpec(options.file), host, options)),
  );

program
  .command('failover-drill')
  .description('power off the master that holds a lease, see the lease move, bring the master back')
  .addOption(file())
  .addOption(new Option('--lease <name>', 'whose holder is taken away').choices(leaseNames).default(leaseNames[0]))
  .addOption(json())
  .addOption(detach())
  .action((options: ChangeOptions & { lease: LeaseName }) =>
    runCommand(async () => failoverDrill(await readSpec(options.file), options.lease, options)),
  );

program
  .command('destroy')
  .description('bring every host of the file back to what it was before its first deployment')
  .addOption(file())
  .option('--confirm <cluster>', 'its name, instead of asking for it; needed without a terminal')
  .option(
    '--delete-data',
    "delete etcd's data, also what an earlier destroy has put aside, instead of putting it aside",
  )
  .addOption(json())
  .addOption(detach())
  .action((options: ChangeOptions & { confirm?: string; deleteData?: true }) =>
    runCommand(async () => {
      const spec = await readSpec(options.file);
      await confirmName(spec.name, options.confirm);
      await destroy(spec, options.deleteData === true, options);
    }),
  );

program
  .command('rotate-encryption-key')
  .description('encrypt every Secret in etcd with a new key, one API server after the other, and remove the old key')
  .addOption(file())
  .addOption(json())
  .addOption(detach())
  .action((options: ChangeOptions) =>
    runCommand(async () => rotateEncryptionKey(await readSpec(options.file), options)),
  );

program
  .command('plan')
  .description('show what deploy-ha would change on each host and why; changes nothing')
  .addOption(file())
  .option('--from <file>', 'show what differs from this version of the cluster file instead, without looking at hosts')
  .addOption(json())
  .action((options: ChangeOptions & { from?: string }) =>
    runCommand(async () => {
      const spec = await readSpec(options.file);
      await (options.from === undefined
        ? plan(spec, options.json)
        : compare(await readSpec(options.from), spec, options.json));
    }),
  );

program
  .command('audit')
  .description(
    'check every host against the CIS benchmark with kube-bench; changes nothing, exit code 1 if a check fails',
  )
  .addOption(file())
  .addOption(json())
  .action((options: ChangeOptions) => runCommand(async () => audit(await readSpec(options.file), options.json)));

program
  .command('validate')
  .description('check a cluster file without touching anything')
  .addOption(file())
  .action((options: { file: string }) =>
    runCommand(async () => {
      const spec = await readSpec(options.file);
      print(
        `${options.file} is valid: cluster ${spec.name}, Kubernetes ${spec.kubernetes}, ${spec.hosts.length} hosts`,
      );
    }),
  );

program
  .command('status')
  .description("show the cluster's newest run; --watch follows it until it ends")
  .addOption(cluster())
  .option('--watch', 'follow it until it ends')
  .addOption(json())
  .action((options: { cluster: string; watch?: true; json?: string | true }) => runCommand(() => status(options)));

program
  .command('retry-step')
  .description('try a held step again, or all of them')
  .argument('[step]', 'id of the step, as status shows it')
  .option('--all', 'every step that is held, for one cause that is mended')
  .addOption(cluster())
  .addOption(reason())
  .action((step: string | undefined, options: { all?: true; cluster: string; reason: string }) =>
    runCommand(() => {
      if ((step === undefined) === (options.all === undefined)) {
        throw new UserError('name the step, or say --all; start-workflow status shows the held ones');
      }
      return answerSteps(options.cluster, step === undefined ? 'all' : { id: step }, 'retry', options.reason);
    }),
  );

program
  .command('skip-step')
  .description('go on without a held step')
  .argument('<step>', 'id of the step, as status shows it')
  .addOption(cluster())
  .addOption(reason())
  .action((step: string, options: { cluster: string; reason: string }) =>
    runCommand(() => answerSteps(options.cluster, { id: step }, 'skip', options.reason)),
  );

program
  .command('abort')
  .description('end the run; what is done stays done, and the next deploy-ha goes on from there')
  .addOption(cluster())
  .addOption(reason())
  .action((options: { cluster: string; reason: string }) => runCommand(() => abort(options.cluster, options.reason)));

program
  .command('host-back')
  .description('tell a drill that its host has been switched on by hand')
  .argument('<host>')
  .addOption(cluster())
  .addOption(reason())
  .action((host: string, options: { cluster: string; reason: string }) =>
    runCommand(() => hostBack(options.cluster, host, options.reason)),
  );

export interface ChangeOptions {
  readonly file: string;
  readonly json?: string | true;
  readonly detach?: true;
}

addCompletion(program);

await program.parseAsync();
