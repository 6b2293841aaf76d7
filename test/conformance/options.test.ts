import assert from 'node:assert/strict';
import test from 'node:test';
import { Command } from 'commander';
import { always, conformanceOptions, type Options, selectionOf } from '../../lab/conformance/options.js';

function parse(...args: string[]): Options {
  const command = conformanceOptions(new Command('conformance').exitOverride().configureOutput({ writeErr: () => {} }));
  command.parse(['--kubeconfig', 'k', '--results', 'r', ...args], { from: 'user' });
  return command.opts();
}

void test('without a choice a sample is drawn by the date, with the kinds that the API server reaches pods by', () => {
  const today = new Date().toISOString().slice(0, 10);
  assert.deepEqual(selectionOf(parse()), { kind: 'sample', size: 40, seed: today, always });
  assert.deepEqual(selectionOf(parse('--sample', '150', '--seed', 'x', '--always', 'DNS')), {
    kind: 'sample',
    size: 150,
    seed: 'x',
    always: [...always, /DNS/],
  });
});

void test('all of them or a pattern may be asked for, and not two of these', () => {
  assert.deepEqual(selectionOf(parse('--all')), { kind: 'all' });
  assert.deepEqual(selectionOf(parse('--focus', 'DNS')), { kind: 'focus', pattern: /DNS/ });
  for (const two of [
    ['--all', '--focus', 'DNS'],
    ['--all', '--sample', '5'],
    ['--focus', 'DNS', '--sample', '5'],
  ]) {
    assert.throws(() => parse(...two), /cannot be used with/, two.join(' '));
  }
});

void test('numbers and patterns are checked', () => {
  assert.throws(() => parse('--procs', '0'), /use a whole number from 1 on/);
  assert.throws(() => parse('--sample', 'many'), /use a whole number from 1 on/);
  assert.throws(() => parse('--focus', '('), /'\(' is invalid/);
});
