import type { HostState } from '../../cluster/desired-state.js';
import type {
  HostObservation,
  ObservedBlock,
  ObservedDirectory,
  ObservedFile,
  ObservedUnit,
} from '../../cluster/host-diff.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import type { FileWithContent } from './content.js';
import { observeFunctions } from './observe-script.js';
import { call, IMAGE_SPOOL, PACKAGE_SPOOL, script, temporaryPath } from './shell.js';

/** Hashing half a gigabyte of binaries on a slow, busy disk. */
const OBSERVE_TIMEOUT_MS = 120_000;
/** A report line is about 100 bytes, and no state asks for more than some hundred things. */
const MAX_REPORT_BYTES = 4 * 1024 * 1024;

/**
 * Looks at everything that `state` is about, in one round trip, changing nothing.
 *
 * @param files - all files of the state, resolved.
 * @throws RemoteError when the host cannot be asked.
 */
export async function observeHost(
  host: RemoteHost,
  state: HostState,
  files: readonly FileWithContent[],
  signal?: AbortSignal,
): Promise<HostObservation> {
  const questions = new Questions(state, files);
  const { stdout } = await host.run({
    title: 'observe the host',
    command: 'sh -s',
    stdin: script(observeFunctions, questions.calls()),
    timeoutMs: OBSERVE_TIMEOUT_MS,
    maxOutputBytes: MAX_REPORT_BYTES,
    signal,
  });
  return questions.understand(stdout);
}

/** Where the kernel shows a setting; names with slashes are for parts that hold a dot themselves (sysctl(8)). */
export function sysctlPath(name: string): string {
  return `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`;
}

/** The questions of one observation by number, so that an answer need not repeat what was asked. */
class Questions {
  private readonly whole: readonly FileWithContent[];
  private readonly blocks: readonly string[];
  private readonly temporaries: readonly string[];
  private readonly dependencies: readonly string[];
  private readonly sysctls: readonly string[];

  constructor(
    private readonly state: HostState,
    files: readonly FileWithContent[],
  ) {
    this.whole = files.filter(({ file }) => file.form === 'whole');
    this.blocks = files.filter(({ file }) => file.form === 'block').map(({ file }) => file.path);
    this.temporaries = [
      ...files.map(({ file }) => temporaryPath(file.path)),
      ...(state.packages.length > 0 ? [PACKAGE_SPOOL] : []),
      ...(state.images.length > 0 ? [IMAGE_SPOOL] : []),
    ];
    this.dependencies = [...new Set(state.units.flatMap(({ restartOn }) => restartOn))];
    this.sysctls = Object.keys(state.kernel.sysctls);
  }

  calls(): string[] {
    const { state } = this;
    return [
      ...this.whole.map(({ file, content }, i) => call('file', i, file.path, content.size)),
      ...this.blocks.map((path, i) => call('block', i, path)),
      ...this.temporaries.map((path, i) => call('leftover', i, path)),
      ...state.directories.map(({ path }, i) => call('directory', i, path)),
      ...state.accounts.map(({ name }, i) => call('account', i, name)),
      ...state.packages.map((name, i) => call('package', i, name)),
      ...state.kernel.modules.map(({ evidence }, i) => call('module', i, evidence)),
      ...this.sysctls.map((name, i) => call('sysctl', i, sysctlPath(name))),
      ...state.units.map(({ name }, i) => call('unit', i, name)),
      ...this.dependencies.map((path, i) => call('changed', i, path)),
      ...(state.images.length > 0 ? [call('images')] : []),
      call('clock'),
      call('finish'),
    ];
  }

  understand(report: string): HostObservation {
    const answers = new Answers(report);
    if (answers.one('finish', 0) === undefined) throw new Error('the observation of the host is cut off');
    const { state } = this;
    const loaded = state.units.map((_, i) => answers.all('unit', i));
    return {
      files: byName(
        this.whole.map(({ file }) => file.path),
        (i) => toFile(answers.words('file', i)),
      ),
      blocks: byName(this.blocks, (i) => toBlock(answers.words('block', i))),
      leftovers: this.temporaries.filter((_, i) => answers.one('leftover', i) !== undefined),
      directories: byName(
        state.directories.map(({ path }) => path),
        (i) => toDirectory(answers.words('directory', i)),
      ),
      accounts: byName(
        state.accounts.map(({ name }) => name),
        (i) => answers.one('account', i) === 'yes',
      ),
      packages: byName(state.packages, (i) => answers.one('package', i) === 'yes'),
      modules: byName(
        state.kernel.modules.map(({ name }) => name),
        (i) => answers.one('module', i) === 'yes',
      ),
      sysctls: byName(this.sysctls, (i) => /^present (.*)$/.exec(answers.one('sysctl', i) ?? '')?.[1]),
      units: byName(
        state.units.map(({ name }) => name),
        (i) => toUnit(loaded[i] ?? []),
      ),
      images: answers.one('images', 0) === undefined ? undefined : new Set(answers.all('image', 0)),
      now: Number(answers.one('clock', 0)),
      changedAt: new Map([
        ...this.dependencies.flatMap((path, i): [string, number][] => {
          const time = answers.one('changed', i);
          return time === undefined ? [] : [[path, Number(time)]];
        }),
        ...loaded.flat().flatMap(loadedFrom),
      ]),
    };
  }
}

function byName<T>(names: readonly string[], answer: (index: number) => T): Map<string, T> {
  return new Map(names.map((name, i) => [name, answer(i)]));
}

/** The lines of a report: `kind number answer`. */
class Answers {
  private readonly lines = new Map<string, string[]>();

  constructor(report: string) {
    for (const line of report.split('\n')) {
      const [, question, answer] = /^(\w+ \d+) (.*)$/.exec(line) ?? [];
      if (question === undefined || answer === undefined) continue;
      this.lines.set(question, [...(this.lines.get(question) ?? []), answer]);
    }
  }

  all(kind: string, index: number): readonly string[] {
    return this.lines.get(`${kind} ${index}`) ?? [];
  }

  one(kind: string, index: number): string | undefined {
    return this.all(kind, index)[0];
  }

  words(kind: string, index: number): readonly string[] {
    return this.one(kind, index)?.split(' ') ?? [];
  }
}

function toFile([kind, mode = '', owner = '', sha256 = '']: readonly string[]): ObservedFile {
  if (kind === 'regular') return { kind, mode: Number.parseInt(mode, 8), owner, sha256 };
  return { kind: kind === 'not-regular' ? kind : 'absent' };
}

function toBlock([kind, sha256 = '']: readonly string[]): ObservedBlock {
  return kind === 'present' ? { kind, sha256 } : { kind: 'absent' };
}

function toDirectory([kind, mode = '', owner = '']: readonly string[]): ObservedDirectory {
  if (kind === 'directory') return { kind, mode: Number.parseInt(mode, 8), owner };
  return { kind: kind === 'not-directory' ? kind : 'absent' };
}

function toUnit(properties: readonly string[]): ObservedUnit {
  const property = (name: string): string =>
    properties.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const since = property('ActiveSince');
  return {
    fileState: property('UnitFileState'),
    activeState: property('ActiveState'),
    subState: property('SubState'),
    needDaemonReload: property('NeedDaemonReload') === 'yes',
    // A whole second comes from a systemd that prints no fraction: the unit became active somewhere within it.
    activeSince: Number(since) + (since.endsWith('.000000000') ? 1 : 0),
    loadedFrom: properties.flatMap(loadedFrom).map(([path]) => path),
  };
}

function loadedFrom(property: string): [string, number][] {
  const [, time, path] = /^LoadedFrom=(\S+) (.*)$/.exec(property) ?? [];
  return time === undefined || path === undefined ? [] : [[path, Number(time)]];
}
