import type { z } from 'zod';
import { clusterSchema, type ClusterSpec } from '../spec.js';
import { nameProblems } from './names.js';
import { networkProblems } from './networks.js';
import type { SpecProblem } from './problem.js';
import { deadlineProblems, duplicateProblems, roleProblems, versionProblems } from './rules.js';

/**
 * Validates the parsed document of a `cluster.yaml`.
 *
 * @returns the spec with defaults, or every problem found; nothing is touched either way.
 */
export function validateSpec(document: unknown): { spec: ClusterSpec } | { problems: SpecProblem[] } {
  const secrets = findSecrets(document, []);
  if (secrets.length > 0) return { problems: secrets };
  const parsed = clusterSchema.safeParse(document);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap((issue) => fromIssue(document, issue)) };
  const problems = crossFieldProblems(parsed.data);
  return problems.length > 0 ? { problems } : { spec: parsed.data };
}

function fromIssue(document: unknown, issue: z.core.$ZodIssue): SpecProblem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      value: at(document, [...path, key]),
      allowed: 'no such field',
      fix: 'remove it, or correct its name (docs/spec.md lists every field)',
    }));
  }
  const value = at(document, path);
  const allowed = allowedBy(issue);
  return [{ path, value, allowed, fix: value === undefined ? 'add the field' : `write ${allowed}` }];
}

function allowedBy(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `one of ${issue.values.map((value) => String(value)).join(', ')}`;
  if (issue.code === 'invalid_type') return `a value of type ${issue.expected}`;
  return lowerFirst(issue.message);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function at(document: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null ? (node as Record<string | number, unknown>)[key] : undefined,
    document,
  );
}

const secretKey = /(token|password|passphrase|secret|private[-_]?key)/i;
const secretValue = /-----BEGIN [A-Z ]*PRIVATE KEY-----|^[a-z0-9]{6}\.[a-z0-9]{16}$/;

/** The file is read by many eyes and kept as a snapshot; a secret in it is refused before anything else is looked at. */
function findSecrets(node: unknown, path: (string | number)[]): SpecProblem[] {
  if (typeof node === 'string' && secretValue.test(node)) return [secretProblem(path)];
  if (Array.isArray(node)) return node.flatMap((item, index) => findSecrets(item, [...path, index]));
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    secretKey.test(key) ? [secretProblem([...path, key])] : findSecrets(value, [...path, key]),
  );
}

function secretProblem(path: (string | number)[]): SpecProblem {
  return {
    path,
    value: '(not shown)',
    allowed: 'no token, password or private key in this file',
    fix: 'remove it: the deployer makes its own tokens and keys, and ssh reads a key file by its path (ssh.identityFile)',
  };
}

/** Rules between fields. */
function crossFieldProblems(spec: ClusterSpec): SpecProblem[] {
  return [
    ...duplicateProblems(spec),
    ...nameProblems(spec),
    ...roleProblems(spec),
    ...networkProblems(spec),
    ...versionProblems(spec),
    ...deadlineProblems(spec),
  ];
}
