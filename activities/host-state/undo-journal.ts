import { posix } from 'node:path';
import type { HostState, Traces } from '../../cluster/desired-state.js';
import type { Change, HostObservation } from '../../cluster/host-diff.js';
import { encodeName } from '../../cluster/undo.js';
import type { FileWithContent } from './content.js';
import { sysctlPath } from './observe.js';
import { call } from './shell.js';

/** Where a host keeps what is needed to undo a deployment; root's alone, as copies of files may be secret. */
export const UNDO_DIRECTORY = '/var/lib/ha-kubernetes/undo';

/** Which journal an apply writes. */
export interface UndoJournal {
  readonly directory: string;
  /** Name of the cluster that the host becomes part of. */
  readonly cluster: string;
}

/**
 * Writes down what is there, before it is changed. Calls come between `journal` and `journal_written`, which waits for
 * the disk once: a kill or a loss of power leaves at most a record of something that did not happen.
 *
 * Components of one host are applied at once: lines are short and appended whole, and a copy is never replaced.
 */
export const journalFunctions = String.raw`
# journal DIRECTORY CLUSTER
journal() {
  journal=$1
  mkdir -p "$journal/files" || fail "cannot create $journal"
  # What scripts that were killed left half done.
  for stale in "$journal"/*.[0-9]*; do kill -0 "$(echo "$stale" | sed 's,.*[.],,')" 2>/dev/null || rm -f "$stale"; done
  [ -s "$journal/cluster" ] || {
    echo "$2" >"$journal/cluster.$$" && mv -f "$journal/cluster.$$" "$journal/cluster" || fail "cannot write $journal"
  }
  records="
$(cat "$journal/records" 2>/dev/null)
"
  unsynced=
}

# recorded KIND NAME
recorded() {
  case $records in *"
$1 $2 "*) ;; *) return 1 ;; esac
}

# record KIND NAME FACT. What a loss of power cut off must not run into a new line.
record() {
  [ -n "$unsynced" ] || [ ! -s "$journal/records" ] || echo >>"$journal/records"
  printf '%s .\n' "$*" >>"$journal/records" || fail "cannot write $journal/records"
  records="$records$* .
"
  unsynced=yes
}

# note KIND NAME FACT: a fact that was seen already
note() { recorded "$1" "$2" || record "$@"; }

# note_parent NAME PATH
note_parent() { [ -d "$2" ] || note parent "$1" absent; }

# note_path NAME PATH
note_path() {
  ! recorded path "$1" || return 0
  if ! exists "$2"; then
    record path "$1" absent
    return
  elif [ -d "$2" ] && [ -z "$(ls -A "$2")" ]; then
    record path "$1" empty
  else
    record path "$1" present
  fi
  note_owner "$1" "$2"
}

# note_owner NAME PATH
note_owner() { [ ! -d "$2" ] || recorded owner "$1" || record owner "$1" "$(stat -L -c '%a %U:%G' "$2")"; }

# note_file file|block NAME PATH
note_file() {
  ! recorded "$1" "$2" || return 0
  if ! exists "$3"; then
    record "$1" "$2" absent
  elif [ ! -d "$3" ] || [ -L "$3" ]; then
    copy "$3"
    record "$1" "$2" copied
  fi
}

# copy PATH: the first copy stays
copy() {
  mkdir -p "$journal/files$(dirname "$1")" && cp -aT -- "$1" "$journal/copy.$$" || fail "cannot copy $1 to $journal"
  [ -L "$journal/copy.$$" ] || sync "$journal/copy.$$" || fail "cannot copy $1 to $journal"
  ln -PT -- "$journal/copy.$$" "$journal/files$1" 2>/dev/null
  rm -f "$journal/copy.$$"
  exists "$journal/files$1" || fail "cannot copy $1 to $journal"
}

# note_account NAME
note_account() {
  getent passwd "$1" >/dev/null || recorded account "$1" || {
    group=$(getent group "$1" | cut -d : -f 3)
    record account "$1" "$([ -n "$group" ] && echo "$group" || echo -)"
  }
}

# note_sysctl NAME PATH. The shell's own read takes one byte at a time, of which the kernel gives the first one only.
note_sysctl() { recorded sysctl "$1" || ! value=$(cat "$2" 2>/dev/null) || record sysctl "$1" "$value"; }

# note_package NAME
note_package() {
  case $(package_state "$1") in
    '' | not-installed) note package "$1" absent ;;
    config-files) note package "$1" config ;;
  esac
}

journal_written() { [ -z "$unsynced" ] || sync "$journal/records" || fail "cannot write $journal/records"; }
`;

/** The call that opens a journal. */
export function openJournal({ directory, cluster }: UndoJournal): string {
  return call('journal', directory, cluster);
}

/** The calls that record what programs may leave, before there is one that runs. */
export function traceCalls({ paths, sysctls, accounts }: Traces): string[] {
  return [
    ...[...new Set(paths.flatMap(ancestors))].map(named('note_parent')),
    ...paths.map(named('note_path')),
    ...sysctls.map((name) => call('note_sysctl', encodeName(name), sysctlPath(name))),
    ...accounts.map((name) => call('note_account', name)),
  ];
}

/** The calls that record the units that change, as they were observed: packages may bring some, and start them. */
export function unitRecords(observed: HostObservation, changes: readonly Change[]): string[] {
  return changes
    .filter(({ kind }) => kind === 'unit')
    .map(({ what }) => {
      const seen = observed.units.get(what);
      return call('note', 'unit', what, `${seen?.fileState || '-'} ${seen?.activeState || 'inactive'}`);
    });
}

/** The calls that record everything that the changes are about. */
export function recordCalls(
  state: HostState,
  files: readonly FileWithContent[],
  observed: HostObservation,
  changes: readonly Change[],
  journal: UndoJournal,
): string[] {
  const names = (kind: Change['kind']): string[] =>
    changes.filter((change) => change.kind === kind).map(({ what }) => what);
  const forms = new Map(files.map(({ file }) => [file.path, file.form]));
  const changedFiles = [...names('file'), ...names('block')];
  const directories = names('directory');
  const units = changes.filter((change) => change.kind === 'unit');
  const missing = directories.filter((path) => observed.directories.get(path)?.kind !== 'directory');
  const calls = [
    ...[...new Set([...changedFiles, ...missing].flatMap(ancestors))].map(named('note_parent')),
    ...missing.map(named('note_path')),
    ...directories.filter((path) => !missing.includes(path)).map(named('note_owner')),
    ...changedFiles.map((path) =>
      call('note_file', forms.get(path) === 'block' ? 'block' : 'file', encodeName(path), path),
    ),
    ...names('account').map((name) => call('note_account', name)),
    ...names('module').map((name) => call('note', 'module', name, 'absent')),
    ...names('sysctl').map((name) => call('note_sysctl', encodeName(name), sysctlPath(name))),
    ...(units.length > 0 ? traceCalls(state.traces) : []),
    ...unitRecords(observed, changes),
  ];
  return calls.length === 0 ? [] : [openJournal(journal), ...calls, call('journal_written')];
}

function named(note: string): (path: string) => string {
  return (path) => call(note, encodeName(path), path);
}

/** Every directory above a path but the root, the topmost first. */
function ancestors(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === '/' ? [] : [...ancestors(parent), parent];
}
