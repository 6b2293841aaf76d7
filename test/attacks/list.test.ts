import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';

/** Numbers of the review's list that wait for another change. */
const later = ['later: signed decisions'];
const COUNT = 57;
const directory = 'test/attacks';

interface Row {
  readonly number: number;
  readonly attack: string;
  readonly test: string;
}

function rowsOf(markdown: string): Row[] {
  return markdown.split('\n').flatMap((line) => {
    const [, number = '', attack = '', test = ''] = /^\| (\d+) +\| (.*?) +\| (.*?) +\|$/.exec(line) ?? [];
    return number === '' ? [] : [{ number: Number(number), attack, test }];
  });
}

/** Whether a file has a test of that title; what a title is put together of must stand in the file, too. */
function hasTest(source: ts.SourceFile, title: string): boolean {
  const texts = new Set<string>();
  const titles: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.add(node.text);
    const [first] = ts.isCallExpression(node) && node.expression.getText(source) === 'test' ? node.arguments : [];
    if (first !== undefined) titles.push(first);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles.some((node) => {
    if (ts.isStringLiteralLike(node)) return node.text === title;
    if (!ts.isTemplateExpression(node)) return false;
    const parts = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)];
    const pattern = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('(.+)');
    const inserted = new RegExp(`^${pattern}$`).exec(title)?.slice(1);
    return inserted?.every((text) => texts.has(text)) === true;
  });
}

async function read(path: string): Promise<ts.SourceFile> {
  return ts.createSourceFile(path, await readFile(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

const rows = rowsOf(await readFile(join(directory, 'README.md'), 'utf8'));

test('every attack of the list has a row, in order', () => {
  assert.deepEqual(
    rows.map(({ number }) => number),
    Array.from({ length: COUNT }, (_, index) => index + 1),
  );
  for (const { attack } of rows) assert.ok(attack.length > 5, attack);
});

test('every row names a test that exists, or what it waits for', async () => {
  const missing: string[] = [];
  for (const { number, test: named } of rows) {
    if (later.includes(named)) continue;
    const [, file = '', title = ''] = /^`(\S+\.ts)`: (.+)$/.exec(named) ?? [];
    if (file === '' || !hasTest(await read(join(directory, file)), title)) missing.push(`${number}: ${named}`);
  }
  assert.deepEqual(missing, []);
});

test('a title that no test has is found missing', () => {
  const source = ts.createSourceFile(
    'x.ts',
    "for (const [title] of [['a dog'], ['a cat']]) test(`the end of ${title}`, () => {}); test('whole', f);",
    ts.ScriptTarget.Latest,
    true,
  );
  for (const title of ['whole', 'the end of a dog']) assert.ok(hasTest(source, title), title);
  for (const title of ['hole', 'the end of a cow', 'a dog', 'the end of ']) assert.ok(!hasTest(source, title), title);
});
