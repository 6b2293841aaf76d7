import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { clusterSchema } from '../../cluster/spec.js';
import { seedDocument, specOf } from './documents.js';

/** The parts of a zod schema's definition that say which fields there are. */
interface Schema {
  readonly def: {
    readonly type: string;
    readonly shape?: Readonly<Record<string, Schema>>;
    readonly innerType?: Schema;
    readonly element?: Schema;
  };
}

interface Field {
  readonly path: string;
  readonly required: boolean;
  /** Sections have their fields' defaults instead of one of their own. */
  readonly section: boolean;
}

/** Every field of the schema, as the reference writes its path: `hosts[].ssh.user`. */
function fieldsOf(schema: Schema, path: string): Field[] {
  const { def } = schema;
  if (def.shape !== undefined) {
    return Object.entries(def.shape).flatMap(([name, field]) => {
      const own = path === '' ? name : `${path}.${name}`;
      const inner = fieldsOf(field, own);
      const required = !['optional', 'default', 'prefault'].includes(field.def.type);
      return [{ path: own, required, section: inner.length > 0 }, ...inner];
    });
  }
  if (def.element !== undefined) return fieldsOf(def.element, `${path}[]`);
  return def.innerType === undefined ? [] : fieldsOf(def.innerType, path);
}

interface Row {
  readonly required: string;
  readonly default: string;
  readonly meaning: string;
}

const reference = readFileSync(new URL('../../../docs/spec.md', import.meta.url), 'utf8');

/** The rows of the reference's tables by path. */
const rows = new Map<string, Row>(
  reference.split('\n').flatMap((line): [string, Row][] => {
    const [, path, , required = '', byDefault = '', meaning = ''] = line.split('|').map((cell) => cell.trim());
    const name = /^`(.+)`$/.exec(path ?? '')?.[1];
    return name === undefined ? [] : [[name, { required, default: byDefault.replaceAll('`', ''), meaning }]];
  }),
);

const fields = fieldsOf(clusterSchema, '');

/** The value of a path in a spec that was given nothing but what is required. */
function defaultOf(path: string): string {
  const { name, kubernetes, domain, hosts } = seedDocument();
  const spec: unknown = specOf({ name, kubernetes, domain, hosts });
  const value = path
    .split('.')
    .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], spec);
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

test('docs/spec.md describes every field of cluster.yaml and no other', () => {
  assert.ok(fields.length > 30, `${fields.length} fields`);
  // Sections of the top level are headings, with their fields in a table below.
  const isHeading = ({ path, section }: Field): boolean => section && !path.includes('[') && path !== 'hosts';
  assert.deepEqual(
    [...rows.keys()].sort(),
    fields
      .filter((field) => !isHeading(field))
      .map(({ path }) => path)
      .sort(),
  );
  for (const { path } of fields.filter(isHeading)) assert.match(reference, new RegExp(`^## ${path}$`, 'm'));
});

for (const { path, required, section } of fields) {
  const row = rows.get(path);
  if (row === undefined) continue;
  test(`docs/spec.md says of ${path} whether it is required, its default and its meaning`, () => {
    assert.equal(row.required, required ? 'yes' : 'no');
    assert.notEqual(row.meaning, '');
    assert.equal(row.default, required || section || path.includes('[') ? '' : defaultOf(path));
  });
}
