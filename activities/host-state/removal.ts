import { posix } from 'node:path';
import type { HostState } from '../../cluster/desired-state.js';
import { parseJournal, planRemoval, type ParsedJournal, type Removal } from '../../cluster/undo.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { PERMANENT_EXIT_CODE, RemoteError } from '../ssh/errors.js';
import { STOP_TIMEOUT_SECONDS } from './apply.js';
import { readFunctions, removalFunctions } from './removal-script.js';
import { sysctlPath } from './observe.js';
import { call, script, SPOOL, temporaryPath } from './shell.js';
import type { UndoJournal } from './undo-journal.js';

/** What a host says about how it came to be what it is. */
export interface JournalState extends ParsedJournal {
  /** The cluster that changed the host; undefined where none has. */
  readonly cluster: string | undefined;
  /** A removal was killed after it had done everything but tidy up, or an apply before it had changed anything. */
  readonly leftover: boolean;
  /** Data of this cluster has been put aside, by this removal or an earlier one. */
  readonly kept: boolean;
  /** What this removal has put aside. */
  readonly aside: readonly string[];
}

export interface RemovalOptions {
  readonly journal: UndoJournal;
  /** Deletes data instead of putting it aside, and what was put aside earlier. */
  readonly deleteData: boolean;
  /** Tells this removal from others in the name of what is put aside; the same in every attempt. */
  readonly stamp: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

export interface RemovalResult {
  /** Number of things undone; 0 where there was nothing to do. */
  readonly changed: number;
  /** Where data was put, on the host. */
  readonly kept: readonly string[];
  /** Lines of the journal that say nothing that can be undone. */
  readonly unknown: readonly string[];
}

const READ_TIMEOUT_MS = 30_000;
const MAX_JOURNAL_BYTES = 4 * 1024 * 1024;
/** Packages, half a gigabyte of images and all else but the stops of units. */
const REMOVAL_TIMEOUT_MS = 10 * 60 * 1000;

/**
 * Reads the journal of a host; changes nothing.
 *
 * @param stamp - of the removal that asks what it has put aside
 */
export async function readJournal(
  host: RemoteHost,
  journal: UndoJournal,
  { stamp, signal }: { readonly stamp?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<JournalState> {
  const kept = keptDirectory(journal);
  const { stdout } = await host.run({
    title: 'read what the host was before',
    command: 'sh -s',
    stdin: script(readFunctions, [call('journal', journal.directory, kept, posix.join(kept, stamp ?? 'none'))]),
    timeoutMs: READ_TIMEOUT_MS,
    maxOutputBytes: MAX_JOURNAL_BYTES,
    signal,
  });
  const [head = '', records = ''] = stdout.split(/^records\n/m, 2);
  if (!records.endsWith('\nfinish\n')) throw new Error('the journal of the host is cut off');
  const lines = head.split('\n');
  const named = lines.find((line) => line.startsWith('cluster '))?.slice('cluster '.length);
  return {
    cluster: named ?? (lines.includes('journal') ? journal.cluster : undefined),
    ...parseJournal(records),
    leftover: lines.includes('leftover'),
    kept: lines.includes('kept'),
    aside: lines.filter((line) => line.startsWith('aside ')).map((line) => line.slice('aside '.length)),
  };
}

/**
 * Brings a host back to what its journal says that it was, and forgets the journal. It can be interrupted anywhere and
 * done again: the journal goes last.
 *
 * @param states - of every component, in the order in which they start
 * @throws RemoteError with what could not be undone, and why
 */
export async function removeHostState(
  host: RemoteHost,
  states: readonly HostState[],
  options: RemovalOptions,
): Promise<RemovalResult> {
  const { journal, deleteData, stamp } = options;
  const found = await readJournal(host, journal, options);
  if (found.cluster !== undefined && found.cluster !== journal.cluster) throw foreign(host, found.cluster, journal);
  const deletes = deleteData && found.kept;
  if (found.cluster === undefined && !found.leftover && !deletes) return { changed: 0, kept: found.aside, unknown: [] };
  const plan = planRemoval(found.records, states);
  const aside = posix.join(keptDirectory(journal), stamp);
  const calls = [
    ...(found.cluster === undefined ? [] : undoCalls(plan, journal, deleteData ? undefined : aside)),
    ...(deletes ? [call('tree', keptDirectory(journal))] : []),
    call('tree', SPOOL),
    call('tree', `${journal.directory}.done`),
    ...[keptDirectory(journal), posix.dirname(keptDirectory(journal)), posix.dirname(journal.directory)].map((path) =>
      call('leave_parent', path),
    ),
  ];
  options.onProgress?.('removing');
  await host.run({
    title: 'remove the cluster from the host',
    command: 'sh -s',
    stdin: script(removalFunctions, calls),
    timeoutMs: REMOVAL_TIMEOUT_MS + plan.stop.length * STOP_TIMEOUT_SECONDS * 1000,
    signal: options.signal,
    ...(options.onProgress !== undefined && { onStdoutLine: options.onProgress }),
  });
  const { aside: kept } = await readJournal(host, journal, options);
  return { changed: found.records.length + (deletes ? 1 : 0), kept, unknown: found.unknown };
}

function foreign(host: RemoteHost, cluster: string, journal: UndoJournal): RemoteError {
  const reason = `is part of cluster ${cluster}, not of ${journal.cluster}`;
  return new RemoteError({ host: host.name, kind: 'exit', exitCode: PERMANENT_EXIT_CODE, reason });
}

/** What was put aside of one cluster. */
function keptDirectory({ directory, cluster }: UndoJournal): string {
  return posix.join(posix.dirname(directory), 'kept', cluster);
}

/** @param aside - where data goes; undefined deletes it */
function undoCalls(plan: Removal, { directory }: UndoJournal, aside: string | undefined): string[] {
  const copyOf = (path: string): string => `${directory}/files${path}`;
  return [
    ...plan.stop.map((name) => call('end', name, STOP_TIMEOUT_SECONDS)),
    ...plan.cleanups.map(({ title, command }) => call('cleanup', title, command)),
    ...plan.data.map(({ name, path }) =>
      aside === undefined ? call('tree', path) : call('put_aside', path, `${aside}/${name}/${posix.basename(path)}`),
    ),
    ...plan.files.map(({ path, copied }) =>
      copied ? call('restore', path, temporaryPath(path), copyOf(path)) : call('delete', path, temporaryPath(path)),
    ),
    ...plan.blocks.map(({ path, copied }) => call('unblock', path, temporaryPath(path), copied ? copyOf(path) : '')),
    ...(plan.stop.length > 0 ? [call('daemon_reload')] : []),
    ...plan.stop.map((name) => call('forget', name)),
    ...uninstallCalls(plan),
    ...plan.accounts.map(({ name, group }) => call('leave_account', name, group ?? '-')),
    ...plan.trees.map((path) => call('tree', path)),
    ...plan.emptied.map((path) => call('empty', path)),
    ...plan.parents.map((path) => call('leave_parent', path)),
    ...plan.owners.map(({ path, mode, owner }) => call('owner', path, mode, owner)),
    ...plan.sysctls.map(({ name, value }) => call('sysctl', name, sysctlPath(name), value)),
    ...plan.modules.map((name) => call('module', name)),
    ...plan.units.map(({ name, fileState, activeState }) => call('unit', name, fileState, activeState)),
    call('close_journal', directory),
  ];
}

function uninstallCalls({ packages }: Removal): string[] {
  const names = (hadConfiguration: boolean): string[] =>
    packages.filter((one) => one.hadConfiguration === hadConfiguration).map(({ name }) => name);
  return (
    [
      ['purge', names(false)],
      ['remove', names(true)],
    ] as const
  ).flatMap(([how, of]) => (of.length === 0 ? [] : [call('uninstall', how, ...of)]));
}
