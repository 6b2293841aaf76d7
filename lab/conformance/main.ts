#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { LabError } from '../errors.js';
import { cacheDirectory, cacheUsers, planOf } from '../mirror/index.js';
import { labPaths } from '../paths.js';
import { describe, say } from '../progress.js';
import { type BuildCache, buildImages, buildSuite } from './build.js';
import { labNodes, lookAtCluster } from './cluster.js';
import { exceptions } from './exceptions.js';
import { conformanceOptions, type Options, selectionOf } from './options.js';
import { isGood, resultLines, resultOf } from './result.js';
import { runSpecs, type Verdicts } from './run.js';
import { select } from './selection.js';
import { withServedImages } from './served-images.js';
import { conformanceSpecs, suiteImages } from './suite.js';

function cache(): BuildCache {
  return { directory: join(cacheDirectory(), 'build'), users: cacheUsers() };
}

async function conformance(options: Options): Promise<void> {
  const paths = labPaths();
  const selection = selectionOf(options);
  const kubeconfig = resolve(options.kubeconfig);
  const cluster = await lookAtCluster(kubeconfig);
  if (options.kubernetes !== undefined && options.kubernetes !== cluster.kubernetes) {
    throw new LabError(`the cluster runs ${cluster.kubernetes}, and ${options.kubernetes} was asked for`);
  }
  const hosts = await labNodes(cluster, paths);
  const suite = await buildSuite(cluster.kubernetes, cache());
  const parts = hosts.length === 0 ? undefined : await buildImages(planOf(cluster.kubernetes), cache());
  const all = await conformanceSpecs(suite);
  const selected = select(all, selection, exceptions, options.skip);
  say(
    `${selected.specs.length} of ${all.length} conformance tests of ${cluster.kubernetes}${selection.kind === 'sample' ? `, seed ${selection.seed}` : ''}`,
  );
  const directory = resolve(options.results);
  await mkdir(directory, { recursive: true });

  // From here on there is something to take back.
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const begin = Date.now();
  let seconds = 0;
  const run = async (): Promise<Verdicts> => {
    const start = Date.now();
    const verdicts = await runSpecs(suite, selected.specs, {
      kubeconfig,
      directory,
      procs: options.procs,
      specSeconds: options.specMinutes * 60,
      deadline: start + options.minutes * 60_000,
      signal: stop.signal,
    });
    seconds = (Date.now() - start) / 1000;
    return verdicts;
  };
  const verdicts =
    parts === undefined ? await run() : await withServedImages(parts, await suiteImages(suite), paths, hosts, run);

  const result = resultOf({
    kubernetes: cluster.kubernetes,
    date: new Date(begin).toISOString().slice(0, 10),
    of: all.length,
    procs: options.procs,
    seconds,
    selection,
    selected,
    verdicts,
    cutOff: stop.signal.aborted ? 'the run was ended' : `no verdict within ${options.minutes} minutes`,
  });
  await writeFile(join(directory, 'result.json'), JSON.stringify(result, undefined, 2));
  console.log(resultLines(result).join('\n'));
  say(`logs and JUnit reports: ${directory}`);
  if (!isGood(result, exceptions)) process.exitCode = 1;
}

async function build(kubernetes: string): Promise<void> {
  await buildSuite(kubernetes, cache());
  await buildImages(planOf(kubernetes), cache());
}

const program = new Command('conformance').description("Kubernetes' own conformance tests");
conformanceOptions(program.command('run')).action(conformance);
program
  .command('build')
  .description('builds what a run against a cluster on the lab needs, before there is one')
  .argument('<version>', 'version of the cluster, such as v1.37.2')
  .action(build);
try {
  await program.parseAsync();
} catch (error) {
  say(`error: ${error instanceof LabError ? error.message : describe(error)}`);
  process.exitCode = 1;
}
