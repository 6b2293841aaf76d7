import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { type ArtifactLock, artifactLockSchema, imageNames } from '../../cluster/artifacts.js';
import type { ClusterSpec } from '../../cluster/spec.js';
import { requireSupport } from '../../cluster/versions.js';
import { parseYaml, YamlError } from '../../cluster/yaml.js';
import { ArtifactError } from './artifact-error.js';

/**
 * Reads a lock file (YAML).
 *
 * @throws ArtifactError, permanent, with every problem of the file and where it is.
 */
export async function loadLock(path: string): Promise<ArtifactLock> {
  const parsed = artifactLockSchema.safeParse(await readYaml(path));
  const problems = parsed.success ? crossProblems(parsed.data) : parsed.error.issues.map(problemOf);
  if (!parsed.success || problems.length > 0) {
    throw badLock(path, problems.join('; '));
  }
  return parsed.data;
}

/** The lock that a cluster is deployed with: the one that its spec names, or the official one of its version. */
export async function lockOf({
  artifacts,
  kubernetes,
}: Pick<ClusterSpec, 'artifacts' | 'kubernetes'>): Promise<ArtifactLock> {
  const path = artifacts.lock ?? (await officialLock(kubernetes));
  const lock = await loadLock(path);
  const { metricsServer } = requireSupport(kubernetes);
  const missing = imageNames.filter(
    (name) => (name !== 'metrics-server' || metricsServer) && !lock.images.some((image) => image.name === name),
  );
  if (missing.length > 0) throw badLock(path, `images: there is no ${missing.join(', no ')}`);
  return lock;
}

/** Every lock of official releases that comes with the project. */
export async function allOfficialLocks(): Promise<ArtifactLock[]> {
  const files = (await readdir(officialLocks)).sort();
  return Promise.all(files.map((file) => loadLock(join(officialLocks, file))));
}

/** The lock files of the official releases that come with the project. */
const officialLocks = fileURLToPath(new URL('../../../cluster/locks', import.meta.url));

/**
 * Path of the lock file of the official releases of a Kubernetes version.
 *
 * @throws ArtifactError, permanent, with the versions that there are, if no such file comes with the project.
 */
export async function officialLock(kubernetes: string): Promise<string> {
  const known = (await readdir(officialLocks)).map((file) => file.replace(/\.yaml$/, '')).sort();
  if (known.includes(kubernetes)) return join(officialLocks, `${kubernetes}.yaml`);
  throw new ArtifactError(
    `no lock file with the digests of the official releases of Kubernetes ${kubernetes} comes with this project: use one of ${known.join(', ')}, or name a lock file that you trust in artifacts.lock, as a mirror has one (docs/mirror.md)`,
    { retryable: false },
  );
}

async function readYaml(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw badLock(path, `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  });
  try {
    return parseYaml(text).value;
  } catch (error) {
    throw error instanceof YamlError ? badLock(path, error.message) : error;
  }
}

/** Where a lock file is wrong, and how. Whatever it holds is not told: the path may lead to another file. */
function problemOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.map(String).join('.') || 'the file';
  return issue.code === 'unrecognized_keys'
    ? `${where}: has ${issue.keys.length} field(s) that a lock file does not have`
    : `${where}: ${issue.message}`;
}

function crossProblems({ artifacts, images }: ArtifactLock): string[] {
  const names = artifacts.map(({ name }) => name);
  return [
    ...repeated(names).map((name) => `artifacts: ${name} is there twice; a name is unique`),
    ...images.flatMap(({ name, artifact }) =>
      artifact === undefined || names.includes(artifact)
        ? []
        : [`images: ${name} refers to artifact ${artifact}, which is not in the file`],
    ),
    ...repeated(images.map(({ name }) => name)).map((name) => `images: ${name} is there twice; a name is unique`),
  ];
}

function repeated(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) !== index);
}

function badLock(path: string, problem: string): ArtifactError {
  return new ArtifactError(`lock file ${path} cannot be used: ${problem}`, { retryable: false });
}
