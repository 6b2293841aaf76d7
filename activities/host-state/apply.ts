import { posix } from 'node:path';
import type { ArtifactFile, DesiredImage, DesiredUnit, HostState } from '../../cluster/desired-state.js';
import type { Change, HostObservation, UnitChange } from '../../cluster/host-diff.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { commitFunctions, prepareFunctions } from './apply-script.js';
import type { ContentResolver, FileWithContent } from './content.js';
import { sysctlPath } from './observe.js';
import { installPackages, type PackageSource } from './packages.js';
import { call, script, IMAGE_SPOOL, PACKAGE_SPOOL, temporaryPath } from './shell.js';
import { transfer, type Parcel, type TransferOptions } from './transfer.js';
import { journalFunctions, recordCalls, traceCalls, unitRecords, type UndoJournal } from './undo-journal.js';

export interface ApplyOptions extends TransferOptions {
  readonly content: ContentResolver;
  readonly packages: PackageSource;
  readonly journal: UndoJournal;
  /** Told what is going to be changed, before anything is; what it throws keeps everything as it is. */
  readonly beforeChanges?: (changes: readonly Change[]) => Promise<void>;
}

/** Directories and accounts. */
const PREPARE_TIMEOUT_MS = 60_000;
/** A cancelled apply has not much time left: whoever cancelled it waits. */
const CLEAN_UP_TIMEOUT_MS = 10_000;
/** Everything of the last script but the starts of units, which bring times of their own: hashing and image import. */
const COMMIT_TIMEOUT_MS = 5 * 60 * 1000;
/** Longest time that the stop of a unit may take; systemd's own limit is 90 s (DefaultTimeoutStopSec). */
export const STOP_TIMEOUT_SECONDS = 100;

/**
 * Makes exactly the given changes, in this order: packages, accounts, directories, then all files at once, then kernel,
 * units and images. It can be interrupted anywhere: files stand under temporary names until they are complete, and the
 * next observation sees what is missing. When it is cancelled, it takes away what stands under such names, if it can.
 * What was there before is written down first, for the day that somebody wants it back.
 *
 * @param changes - the difference between `state` and `observed`.
 * @throws RemoteError with what failed and why in its message, and everything that was printed in its output.
 */
export async function applyChanges(
  host: RemoteHost,
  state: HostState,
  files: readonly FileWithContent[],
  observed: HostObservation,
  changes: readonly Change[],
  options: ApplyOptions,
): Promise<void> {
  const plan = new ApplyPlan(state, files, observed, changes);
  try {
    await apply(host, plan, options);
  } catch (error) {
    // The session is dead by now, and with it all that could still write.
    if (options.signal?.aborted === true) await discard(host, plan.temporaries());
    throw error;
  }
}

/** Removes what an apply left in the middle; what it cannot remove now, the next apply does. */
async function discard(host: RemoteHost, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  await host
    .run({
      title: 'remove what the cancelled apply left',
      command: 'sh -s',
      stdin: script(
        prepareFunctions,
        paths.map((path) => call('discard', path)),
      ),
      timeoutMs: CLEAN_UP_TIMEOUT_MS,
    })
    .catch(() => undefined);
}

async function apply(host: RemoteHost, plan: ApplyPlan, options: ApplyOptions): Promise<void> {
  const packages = plan.what('package');
  if (packages.length > 0) await installPackages(host, packages, plan.earlyRecordCalls(), options.packages, options);

  const run = async (title: string, functions: string, calls: readonly string[], timeoutMs: number): Promise<void> => {
    if (calls.length === 0) return;
    options.onProgress?.(title);
    await host.run({
      title,
      command: 'sh -s',
      stdin: script(journalFunctions + functions, calls),
      timeoutMs,
      signal: options.signal,
      ...(options.onProgress !== undefined && { onStdoutLine: options.onProgress }),
    });
  };
  const records = plan.recordCalls(options.journal);
  const prepare = plan.prepareCalls();
  // In whichever script is the first to change something.
  const [first, then] = prepare.length > 0 ? [[...records, ...prepare], []] : [[], records];
  await run('prepare accounts and directories', prepareFunctions, first, PREPARE_TIMEOUT_MS);
  const archives = await plan.archives(options.content);
  const parcels = [...plan.fileParcels(), ...archives.map(({ parcel }) => parcel)];
  if (parcels.length > 0) await transfer(host, parcels, options);
  await run('apply changes', commitFunctions, [...then, ...plan.commitCalls(archives)], plan.commitTimeoutMs());
}

/** An image archive on its way, and the images that are wanted of it. */
interface Archive {
  readonly parcel: Parcel;
  readonly sha256: string;
  readonly references: readonly string[];
}

/** The changes as calls of the scripts' functions. */
class ApplyPlan {
  private readonly changedFiles: readonly FileWithContent[];
  private readonly unitChanges: readonly { readonly change: UnitChange; readonly unit: DesiredUnit }[];
  private readonly images: readonly DesiredImage[];

  constructor(
    private readonly state: HostState,
    files: readonly FileWithContent[],
    private readonly observed: HostObservation,
    private readonly changes: readonly Change[],
  ) {
    const changed = new Set([...this.what('file'), ...this.what('block')]);
    this.changedFiles = files.filter(({ file }) => changed.has(file.path));
    const units = new Map(state.units.map((unit) => [unit.name, unit]));
    this.unitChanges = changes.flatMap((change) => {
      const unit = change.kind === 'unit' ? units.get(change.what) : undefined;
      return change.kind === 'unit' && unit !== undefined ? [{ change, unit }] : [];
    });
    const missing = new Set(this.what('image'));
    this.images = state.images.filter(({ reference }) => missing.has(reference));
  }

  what(kind: Change['kind']): string[] {
    return this.changes.filter((change) => change.kind === kind).map(({ what }) => what);
  }

  /** Records of what the installation of packages may change by itself. */
  earlyRecordCalls(): string[] {
    return [...traceCalls(this.state.traces), ...unitRecords(this.observed, this.changes)];
  }

  recordCalls(journal: UndoJournal): string[] {
    return recordCalls(this.state, this.changedFiles, this.observed, this.changes, journal);
  }

  prepareCalls(): string[] {
    const directories = new Set(this.what('directory'));
    const parents = new Set(this.changedFiles.map(({ file }) => posix.dirname(file.path)));
    return [
      ...this.what('leftover').map((path) => call('discard', path)),
      ...this.what('account').map((name) => call('account', name)),
      ...this.state.directories
        .filter(({ path }) => directories.has(path))
        .map(({ path, mode, owner }) => call('directory', path, octal(mode), owner)),
      ...[...parents].map((path) => call('parent', path)),
    ];
  }

  /** Every place that is written to before its content has its name. */
  temporaries(): string[] {
    return [
      ...this.changedFiles.map(({ file }) => temporaryPath(file.path)),
      ...(this.images.length > 0 ? [IMAGE_SPOOL] : []),
      ...(this.what('package').length > 0 ? [PACKAGE_SPOOL] : []),
    ];
  }

  fileParcels(): Parcel[] {
    return this.changedFiles.map(({ file, content }) => ({ path: temporaryPath(file.path), content }));
  }

  async archives(resolver: ContentResolver): Promise<Archive[]> {
    const byArchive = new Map<string, DesiredImage[]>();
    for (const image of this.images) {
      const key = JSON.stringify(image.archive);
      byArchive.set(key, [...(byArchive.get(key) ?? []), image]);
    }
    return Promise.all(
      [...byArchive].map(async ([key, images], i) => {
        const artifact = JSON.parse(key) as ArtifactFile;
        const content = await resolver.resolve({ kind: 'artifact', artifact });
        const parcel = { path: posix.join(IMAGE_SPOOL, `image-${i}.tar`), content };
        return { parcel, sha256: content.sha256, references: images.map(({ reference }) => reference) };
      }),
    );
  }

  commitCalls(archives: readonly Archive[]): string[] {
    const { state, changedFiles } = this;
    const modules = new Set(this.what('module'));
    const sysctls = new Set(this.what('sysctl'));
    return [
      // All are checked before the first gets its name.
      ...changedFiles.map(({ file }) => call('check', temporaryPath(file.path), file.sha256, file.path)),
      ...archives.map(({ parcel, sha256, references }) =>
        call('check', parcel.path, sha256, `the archive of ${references.join(', ')}`),
      ),
      ...changedFiles.map(({ file }) =>
        call(
          file.form === 'block' ? 'put_block' : 'put',
          temporaryPath(file.path),
          file.path,
          octal(file.mode),
          file.owner,
        ),
      ),
      ...state.kernel.modules
        .filter(({ name }) => modules.has(name))
        .map(({ name, evidence }) => call('module', name, evidence)),
      ...Object.entries(state.kernel.sysctls)
        .filter(([name]) => sysctls.has(name))
        .map(([name, value]) => call('sysctl', name, sysctlPath(name), value)),
      ...(this.needsDaemonReload() ? [call('daemon_reload')] : []),
      ...this.unitChanges.flatMap(({ change, unit }) => unitCalls(change, unit)),
      ...archives.map(({ parcel, references }) => call('import', parcel.path, ...references)),
      ...(archives.length > 0 ? [call('discard', IMAGE_SPOOL)] : []),
    ];
  }

  commitTimeoutMs(): number {
    const units = this.unitChanges.map(({ change, unit }) =>
      change.run === 'stop' ? STOP_TIMEOUT_SECONDS : unit.startTimeoutSeconds,
    );
    return COMMIT_TIMEOUT_MS + units.reduce((sum, seconds) => sum + seconds, 0) * 1000;
  }

  private needsDaemonReload(): boolean {
    return (
      this.changedFiles.some(({ file }) => file.path.startsWith('/etc/systemd/system/')) ||
      this.unitChanges.some(({ unit }) => this.observed.units.get(unit.name)?.needDaemonReload === true)
    );
  }
}

function unitCalls({ enablement, run }: UnitChange, unit: DesiredUnit): string[] {
  const calls = enablement === undefined ? [] : [call('enablement', enablement, unit.name)];
  if (run === 'stop') calls.push(call('stop', unit.name, STOP_TIMEOUT_SECONDS));
  else if (run !== undefined) calls.push(call('run', run, unit.name, unit.startTimeoutSeconds));
  return calls;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
