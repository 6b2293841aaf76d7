import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Environment variables that name the programs, as script/test sets them. */
const variables = { temporal: 'TEMPORAL_CLI_PATH', 'temporal-test-server': 'TEMPORAL_TEST_SERVER_PATH' } as const;

/**
 * Path of one of Temporal's programs: what the environment names, what is on PATH, or what script/setup fetched.
 *
 * @throws when there is none, with how to get it: a test without its server is an error, not a skipped test
 */
export function temporalProgram(name: keyof typeof variables): string {
  const cacheHome = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cache = process.env['HA_KUBERNETES_CACHE'] ?? join(cacheHome, 'ha-kubernetes');
  const candidates = [
    process.env[variables[name]] ?? '',
    ...(process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name)),
    join(cache, 'temporal/bin', name),
  ];
  const found = candidates.find(isExecutable);
  if (found === undefined) {
    throw new Error(`no ${name} to test with: run script/setup --tests, or set ${variables[name]} to its path`);
  }
  return found;
}

function isExecutable(path: string): boolean {
  if (path === '') return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
