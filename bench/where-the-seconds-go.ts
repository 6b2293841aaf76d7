#!/usr/bin/env node
import { readFile } from 'node:fs/promises';

/**
 * Where each second of a deployment goes: `node dist/bench/where-the-seconds-go.js deploy.json`, with the file that
 * `start-workflow deploy-ha --json deploy.json` (or `script/demo --json`) wrote. Prints Markdown: time by kind of step,
 * and the critical path, found backwards from the last step by the need that ended last.
 */

interface Step {
  readonly id: string;
  readonly title: string;
  readonly start: string;
  readonly end: string;
}

interface Report {
  readonly seconds: number;
  readonly steps: readonly Step[];
}

const [path] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('usage: where-the-seconds-go deploy.json\n');
  process.exit(2);
}
const { seconds, steps } = JSON.parse(await readFile(path, 'utf8')) as Report;
const first = Math.min(...steps.map(({ start }) => Date.parse(start)));
const at = (time: string): number => (Date.parse(time) - first) / 1000;
const show = (value: number): string => value.toFixed(1);

const rows = [...groupByKind(steps)]
  .map(([kind, of]) => ({
    kind,
    count: of.length,
    from: Math.min(...of.map(({ start }) => at(start))),
    to: Math.max(...of.map(({ end }) => at(end))),
    longest: Math.max(...of.map(({ start, end }) => at(end) - at(start))),
  }))
  .sort((a, b) => a.from - b.from || a.to - b.to);

process.stdout.write(
  [
    `deploy-ha: ${show(seconds)} s, ${steps.length} steps`,
    '',
    '| step | hosts | from s | to s | longest s |',
    '| --- | --: | --: | --: | --: |',
    ...rows.map(
      ({ kind, count, from, to, longest }) => `| ${kind} | ${count} | ${show(from)} | ${show(to)} | ${show(longest)} |`,
    ),
    '',
    'Critical path, from the end backwards (each step with the one that ended last before it began):',
    '',
    ...criticalPath().map(({ title, start, end }) => `1. ${show(at(start))} to ${show(at(end))} s: ${title}`),
    '',
  ].join('\n'),
);

function kindOf({ id }: Step): string {
  return id.split(':')[0] ?? id;
}

function groupByKind(all: readonly Step[]): Map<string, Step[]> {
  const groups = new Map<string, Step[]>();
  for (const step of all) groups.set(kindOf(step), [...(groups.get(kindOf(step)) ?? []), step]);
  return groups;
}

/** A step begins at once when its last need ends, so that need is the step that ended last before it began. */
function criticalPath(): Step[] {
  // A join is the sum of its own steps, and the wait for the control plane hides what it waits for.
  const leaves = steps.filter((step) => !['join', 'control-plane'].includes(kindOf(step)));
  const found: Step[] = [];
  let current = leaves.reduce((a, b) => (Date.parse(a.end) > Date.parse(b.end) ? a : b));
  for (;;) {
    found.unshift(current);
    const before = leaves.filter((step) => Date.parse(step.end) <= Date.parse(current.start) && step !== current);
    if (before.length === 0) return found;
    const next = before.reduce((a, b) => (Date.parse(a.end) >= Date.parse(b.end) ? a : b));
    if (found.includes(next)) return found;
    current = next;
  }
}
