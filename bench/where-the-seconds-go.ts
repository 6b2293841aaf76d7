#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { show, Timeline, type TimedStep } from './timeline.js';

/**
 * Where each second of a deployment goes: `node dist/bench/where-the-seconds-go.js deploy.json`, with the file that
 * `start-workflow deploy-ha --json deploy.json` (or `script/demo --json`) wrote. Prints Markdown: time by kind of step,
 * and the critical path, found backwards from the last step by the need that ended last.
 */

const [path] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('usage: where-the-seconds-go deploy.json\n');
  process.exit(2);
}
const { seconds, steps } = JSON.parse(await readFile(path, 'utf8')) as {
  readonly seconds: number;
  readonly steps: readonly TimedStep[];
};
const timeline = new Timeline(steps);

process.stdout.write(
  [
    `deploy-ha: ${show(seconds)} s, ${steps.length} steps`,
    '',
    '| step | hosts | from s | to s | longest s |',
    '| --- | --: | --: | --: | --: |',
    ...timeline
      .kinds()
      .map(
        ({ kind, count, from, to, longest }) =>
          `| ${kind} | ${count} | ${show(from)} | ${show(to)} | ${show(longest)} |`,
      ),
    '',
    'Critical path, from the end backwards (each step with the one that ended last before it began):',
    '',
    ...timeline.describe(timeline.criticalPath()),
    '',
  ].join('\n'),
);
