import type { Cleanup, Data, HostState } from './desired-state.js';

/**
 * The undo journal of a host: what was there before the deployer changed it (docs/decisions/undo-journal.md). One line a
 * record, `KIND NAME FACT .`; the first record of a name counts, as it was written before the first change.
 */
export type UndoKind =
  /** A file that is wholly ours: `absent`, or `copied` into the journal. */
  | 'file'
  /** A file of the host in which some lines are ours: `absent` or `copied`. */
  | 'block'
  /** A directory, or whatever a program makes by itself: `absent`, `empty` or `present`. */
  | 'path'
  /** A directory that had to be made for what is in it: `absent`. */
  | 'parent'
  /** A directory whose mode and owner were others: `MODE USER:GROUP`. */
  | 'owner'
  /** A kernel setting: its value. */
  | 'sysctl'
  /** A kernel module that was not loaded: `absent`. */
  | 'module'
  /** An account that did not exist: the id of a group of that name, or `-`. */
  | 'account'
  /** A package that was not there: `absent`, or `config` where its configuration was. */
  | 'package'
  /** A unit: `UnitFileState ActiveState`, the first one `-` where there was no such unit. */
  | 'unit';

export interface UndoRecord {
  readonly kind: UndoKind;
  readonly name: string;
  readonly fact: string;
}

/** Any name as one word of printable ASCII; paths stay readable. */
export function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll('%2F', '/');
}

/** What a name of each kind is. Whatever else stands there was written by nobody of us, and is not acted upon. */
const isPath = (name: string): boolean => /^(\/[^/\0]+)+$/.test(name) && !/\/\.{1,2}(\/|$)/.test(name);
/** Never a directory of the root, which every host has. */
const isOwnPath = (name: string): boolean => isPath(name) && name.lastIndexOf('/') > 0;
const isWord = (name: string): boolean => /^[\w@][\w@.:+\\~-]*$/.test(name);
const isSetting = (name: string): boolean => !/[\0\n]/.test(name);
const names: Readonly<Record<UndoKind, (name: string) => boolean>> = {
  file: isOwnPath,
  block: isOwnPath,
  path: isOwnPath,
  parent: isPath,
  owner: isPath,
  sysctl: isSetting,
  module: isWord,
  account: isWord,
  package: isWord,
  unit: isWord,
};

export interface ParsedJournal {
  /** The first of each kind and name. */
  readonly records: readonly UndoRecord[];
  /** Whole lines that say nothing that a deployer would have written; they are told, and left alone. */
  readonly unknown: readonly string[];
}

/**
 * Reads a journal. A line without its end was being written when the host died; what it was about had not been changed
 * yet.
 */
export function parseJournal(text: string): ParsedJournal {
  const records = new Map<string, UndoRecord>();
  const unknown: string[] = [];
  for (const line of text.split('\n')) {
    if (!line.endsWith(' .')) continue;
    const record = parseRecord(line);
    if (record === undefined) unknown.push(line);
    else if (!records.has(`${record.kind} ${record.name}`)) records.set(`${record.kind} ${record.name}`, record);
  }
  return { records: [...records.values()], unknown };
}

function parseRecord(line: string): UndoRecord | undefined {
  const [, kind = '', word = '', fact = ''] = /^([a-z]+) (\S+) (.*) \.$/.exec(line) ?? [];
  if (!Object.hasOwn(names, kind)) return undefined;
  try {
    const name = decodeURIComponent(word);
    return names[kind as UndoKind](name) ? { kind: kind as UndoKind, name, fact } : undefined;
  } catch {
    // "%" that encodes nothing.
    return undefined;
  }
}

/** A file, and whether a copy of what it was is in the journal. */
export interface FormerFile {
  readonly path: string;
  readonly copied: boolean;
}

/** Everything that brings a host back, in the order in which it is done. */
export interface Removal {
  /** Every unit to stop, the last started first. */
  readonly stop: readonly string[];
  readonly cleanups: readonly Cleanup[];
  readonly data: readonly Data[];
  readonly files: readonly FormerFile[];
  readonly blocks: readonly FormerFile[];
  readonly packages: readonly { readonly name: string; readonly hadConfiguration: boolean }[];
  /** `group`: id of a group of that name that was there before. */
  readonly accounts: readonly { readonly name: string; readonly group: string | undefined }[];
  /** To be removed with all that is in them. */
  readonly trees: readonly string[];
  /** Directories that were empty, and shall be again. */
  readonly emptied: readonly string[];
  /** Directories to be removed if nothing is in them, the deepest first. */
  readonly parents: readonly string[];
  readonly owners: readonly { readonly path: string; readonly mode: string; readonly owner: string }[];
  readonly sysctls: readonly { readonly name: string; readonly value: string }[];
  readonly modules: readonly string[];
  /** Units that were there before, with their states. */
  readonly units: readonly { readonly name: string; readonly fileState: string; readonly activeState: string }[];
}

/**
 * What the records of a host and the description of everything that it may have run ask for.
 *
 * @param states - of every component, in the order in which they start: a host may have had other roles
 */
export function planRemoval(records: readonly UndoRecord[], states: readonly HostState[]): Removal {
  const of = (kind: UndoKind): UndoRecord[] => records.filter((record) => record.kind === kind);
  const files = (kind: UndoKind): FormerFile[] =>
    of(kind).map(({ name, fact }) => ({ path: name, copied: fact === 'copied' }));
  const changedUnits = new Set(of('unit').map(({ name }) => name));
  const known = states.flatMap(({ units }) => units.map(({ name }) => name)).filter((name) => changedUnits.has(name));
  const broughtPackages = new Set(of('package').map(({ name }) => name));
  // Only what ran can have left something.
  const traces = states
    .filter(
      ({ units, packages }) =>
        units.some(({ name }) => changedUnits.has(name)) || packages.some((name) => broughtPackages.has(name)),
    )
    .map((state) => state.traces)
    .reverse();
  const { trees, emptied, parents } = directories(records, states);
  return {
    stop: [...new Set([...[...changedUnits].filter((name) => !known.includes(name)), ...known.reverse()])],
    cleanups: traces.flatMap(({ cleanups }) => cleanups),
    data: traces.flatMap(({ data }) => data),
    files: files('file'),
    blocks: files('block'),
    packages: of('package').map(({ name, fact }) => ({ name, hadConfiguration: fact === 'config' })),
    accounts: of('account').map(({ name, fact }) => ({ name, group: fact === '-' ? undefined : fact })),
    trees,
    emptied,
    parents,
    owners: of('owner').map(({ name, fact }) => {
      const [mode = '', owner = ''] = fact.split(' ');
      return { path: name, mode, owner };
    }),
    sysctls: of('sysctl').map(({ name, fact }) => ({ name, value: fact })),
    modules: of('module')
      .map(({ name }) => name)
      .reverse(),
    units: of('unit')
      .map(({ name, fact }) => {
        const [fileState = '', activeState = ''] = fact.split(' ');
        return { name, fileState, activeState };
      })
      .filter(({ fileState }) => fileState !== '-'),
  };
}

/**
 * A directory may have been made in passing before a component asked for it by name, or found it there already: what came
 * first says whether it was there, and being asked for says that all of it is ours.
 */
function directories(
  records: readonly UndoRecord[],
  states: readonly HostState[],
): Pick<Removal, 'trees' | 'emptied' | 'parents'> {
  const first = new Map<string, UndoRecord>();
  const named = new Set(states.flatMap(({ directories }) => directories.map(({ path }) => path)));
  for (const record of records) {
    if (record.kind !== 'path' && record.kind !== 'parent') continue;
    if (!first.has(record.name)) first.set(record.name, record);
    if (record.kind === 'path') named.add(record.name);
  }
  const where = (wanted: (record: UndoRecord) => boolean): string[] =>
    [...first.values()].filter(wanted).map(({ name }) => name);
  return {
    trees: where(({ name, fact }) => fact === 'absent' && named.has(name)),
    emptied: where(({ fact }) => fact === 'empty'),
    parents: where(({ name, fact }) => fact === 'absent' && !named.has(name)).sort((a, b) => b.length - a.length),
  };
}
