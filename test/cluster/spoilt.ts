import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SpecProblem } from '../../cluster/spec/problem.js';
import { validateSpec } from '../../cluster/spec/validate.js';
import { seedDocument, type Document } from './documents.js';

/** A way to spoil the seed, and the one problem that must come of it. */
export interface BadSpec {
  readonly title: string;
  readonly spoil: (document: Document) => unknown;
  readonly path: string;
  readonly value: unknown;
  readonly allowed: RegExp;
  readonly fix: RegExp;
}

type HostDocument = Document['hosts'][number];

type Change = (document: Document) => void;

/** Changes one host of the seed. */
export function host(index: number, change: Record<string, unknown>): Change {
  return ({ hosts }) => {
    Object.assign(hosts[index] as HostDocument, change);
  };
}

/** Changes fields of the top level. */
export function top(change: Record<string, unknown>): Change {
  return (document) => void Object.assign(document, change);
}

/** Changes fields of the network. */
export function network(change: Record<string, unknown>): Change {
  return (document) => void Object.assign(document.network, change);
}

export function pathText(path: SpecProblem['path']): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
}

/** Registers the test of one bad spec. */
export function tellsOneProblem({ title, spoil, path, value, allowed, fix }: BadSpec): void {
  test(`a spec with ${title} gets one clear error`, () => {
    const document = seedDocument();
    const spoilt: unknown = spoil(document);
    const result = validateSpec(spoilt === undefined ? document : spoilt);
    assert.ok('problems' in result, 'the spec was accepted');
    assert.deepEqual(
      result.problems.map((problem) => pathText(problem.path)),
      [path],
    );
    const [problem] = result.problems;
    assert.ok(problem);
    assert.deepEqual(problem.value, value);
    assert.match(problem.allowed, allowed);
    assert.match(problem.fix, fix);
  });
}
