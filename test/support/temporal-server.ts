import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';

/** Environment variables that name the programs, as script/test sets them. */
const variables = { temporal: 'TEMPORAL_CLI_PATH', 'temporal-test-server': 'TEMPORAL_TEST_SERVER_PATH' } as const;

/** `local`: the development server; `time-skipping`: time passes at once while a result is awaited. */
export type ServerKind = 'local' | 'time-skipping';

/** How often a server may fail to start. The SDK gives each start 5 seconds, which a busy machine may not keep. */
const STARTS = 6;

/**
 * Starts one of Temporal's servers for tests; who starts it tears it down. A start that failed is made again: the SDK
 * ends the failed one, and offers no longer time.
 *
 * @param extraArgs - further arguments of the development server
 * @throws what the last start said
 * @see https://github.com/temporalio/sdk-rust/blob/main/crates/sdk-core/src/ephemeral_server/mod.rs
 */
export async function startTemporalServer(
  kind: ServerKind,
  extraArgs: readonly string[] = [],
): Promise<TestWorkflowEnvironment> {
  for (let start = 1; ; start += 1) {
    try {
      return await startOnce(kind, extraArgs);
    } catch (error) {
      if (start === STARTS || !String(error).includes('did not start within')) throw error;
    }
  }
}

function startOnce(kind: ServerKind, extraArgs: readonly string[]): Promise<TestWorkflowEnvironment> {
  return kind === 'local'
    ? TestWorkflowEnvironment.createLocal({
        server: {
          executable: { type: 'existing-path', path: temporalProgram('temporal') },
          ui: false,
          extraArgs: [...extraArgs],
        },
      })
    : TestWorkflowEnvironment.createTimeSkipping({
        server: { executable: { type: 'existing-path', path: temporalProgram('temporal-test-server') } },
      });
}

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
