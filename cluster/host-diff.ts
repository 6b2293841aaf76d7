import { sysctlFile } from './sysctl-file.js';
import type { DesiredFile, DesiredUnit, HostState, KernelState } from './desired-state.js';

/** A desired file whose content is known by its digest; the bytes themselves stay outside of the domain. */
export interface ResolvedFile {
  readonly path: string;
  /** Permission bits and owner; for a block they count only where the file does not exist yet. */
  readonly mode: number;
  readonly owner: string;
  /** `block`: only the lines between the markers are ours. */
  readonly form: 'whole' | 'block';
  /** Of the whole content, or of the lines between the markers. */
  readonly sha256: string;
}

export type ObservedFile =
  | { readonly kind: 'absent' }
  /** A directory, a symbolic link, a device. */
  | { readonly kind: 'not-regular' }
  | { readonly kind: 'regular'; readonly mode: number; readonly owner: string; readonly sha256: string };

/** `sha256` of the lines between the markers; absent without both markers. */
export type ObservedBlock = { readonly kind: 'absent' } | { readonly kind: 'present'; readonly sha256: string };

export type ObservedDirectory =
  | { readonly kind: 'absent' }
  | { readonly kind: 'not-directory' }
  | { readonly kind: 'directory'; readonly mode: number; readonly owner: string };

/** What systemd says of a unit (systemctl show). */
export interface ObservedUnit {
  /** UnitFileState, e.g. `enabled`, `static`; empty where there is no such unit. */
  readonly fileState: string;
  /** ActiveState, e.g. `active`, `activating`, `failed`. */
  readonly activeState: string;
  readonly subState: string;
  readonly needDaemonReload: boolean;
  /** When it became active, in seconds since 1970 by the host's clock. */
  readonly activeSince: number;
  /** The unit file and drop-ins that systemd has loaded. */
  readonly loadedFrom: readonly string[];
}

/** What the host is, for exactly the things that a {@link HostState} asks about; keys are theirs. */
export interface HostObservation {
  readonly packages: ReadonlyMap<string, boolean>;
  readonly accounts: ReadonlyMap<string, boolean>;
  readonly directories: ReadonlyMap<string, ObservedDirectory>;
  readonly files: ReadonlyMap<string, ObservedFile>;
  readonly blocks: ReadonlyMap<string, ObservedBlock>;
  /** By module name: whether the evidence of the module exists. */
  readonly modules: ReadonlyMap<string, boolean>;
  /** Current values; undefined where the kernel has no such setting. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  readonly units: ReadonlyMap<string, ObservedUnit>;
  /** References of the images that containerd holds; undefined when containerd does not answer. */
  readonly images: ReadonlySet<string> | undefined;
  /** Temporary files that an interrupted run left beside their targets. */
  readonly leftovers: readonly string[];
  /** Now, in seconds since 1970 by the host's clock. */
  readonly now: number;
  /** Last change of every file that a unit depends on, in seconds since 1970 by the host's clock. */
  readonly changedAt: ReadonlyMap<string, number>;
}

/** What an apply has to do about one thing, and why, in words for a person. */
export type Change =
  | {
      readonly kind:
        'package' | 'account' | 'directory' | 'file' | 'block' | 'leftover' | 'module' | 'sysctl' | 'image';
      /** The path, package, setting or reference. */
      readonly what: string;
      readonly why: string;
    }
  | UnitChange;

export interface UnitChange {
  readonly kind: 'unit';
  readonly what: string;
  readonly why: string;
  readonly enablement?: 'enable' | 'disable';
  readonly run?: 'start' | 'restart' | 'stop';
}

/** Where the loading of one kernel module outlives a reboot. */
export function moduleFile(name: string): string {
  return `/etc/modules-load.d/ha-kubernetes-${name}.conf`;
}

/** Every file that the state means: its own ones, and those that keep its kernel settings over a reboot. */
export function filesOf(state: Pick<HostState, 'files' | 'kernel'>): DesiredFile[] {
  return [...state.files, ...kernelFiles(state.kernel)];
}

function kernelFiles({ modules, sysctls }: KernelState): DesiredFile[] {
  const file = (path: string, line: string): DesiredFile => ({
    path,
    mode: 0o644,
    owner: 'root:root',
    content: { kind: 'text', text: `${line}\n` },
  });
  return [
    ...modules.map(({ name }) => file(moduleFile(name), name)),
    ...Object.entries(sysctls).map(([name, value]) => file(sysctlFile(name), `${name} = ${value}`)),
  ];
}

/**
 * The difference between what a host shall be and what it is; empty when there is none. Changes come in the order in
 * which they can be applied.
 *
 * @param files - {@link filesOf} the state, resolved.
 */
export function diffHostState(
  state: HostState,
  files: readonly ResolvedFile[],
  observed: HostObservation,
): readonly Change[] {
  const fileChanges = files.flatMap((file) => diffFile(file, observed));
  const changedPaths = new Set(fileChanges.map(({ what }) => what));
  return [
    ...observed.leftovers.map((what): Change => ({ kind: 'leftover', what, why: 'left by an interrupted run' })),
    ...missing('package', state.packages, observed.packages, 'not installed'),
    ...missing(
      'account',
      state.accounts.map(({ name }) => name),
      observed.accounts,
      'does not exist',
    ),
    ...state.directories.flatMap(({ path, mode, owner }): Change[] => {
      const seen = observed.directories.get(path) ?? { kind: 'absent' };
      if (seen.kind === 'absent') return [{ kind: 'directory', what: path, why: 'does not exist' }];
      if (seen.kind === 'not-directory') return [{ kind: 'directory', what: path, why: 'not a directory' }];
      return because('directory', path, diffPermissions({ mode, owner }, seen));
    }),
    ...fileChanges,
    ...missing(
      'module',
      state.kernel.modules.map(({ name }) => name),
      observed.modules,
      'not loaded',
    ),
    ...Object.entries(state.kernel.sysctls).flatMap(([name, value]) => diffSysctl(name, value, observed)),
    ...state.units.flatMap((unit) => diffUnit(unit, changedPaths, observed)),
    ...state.images.flatMap(({ reference }): Change[] => {
      if (observed.images?.has(reference) === true) return [];
      return [{ kind: 'image', what: reference, why: 'not in the container runtime' }];
    }),
  ];
}

function missing(
  kind: 'package' | 'account' | 'module',
  wanted: readonly string[],
  observed: ReadonlyMap<string, boolean>,
  why: string,
): Change[] {
  return wanted.filter((what) => observed.get(what) !== true).map((what) => ({ kind, what, why }));
}

/** One change for all the reasons, none without a reason. */
function because(kind: 'directory' | 'file', what: string, reasons: readonly string[]): Change[] {
  return reasons.length === 0 ? [] : [{ kind, what, why: reasons.join(', ') }];
}

function diffFile(file: ResolvedFile, observed: HostObservation): Change[] {
  if (file.form === 'block') {
    const seen = observed.blocks.get(file.path) ?? { kind: 'absent' };
    if (seen.kind === 'present' && seen.sha256 === file.sha256) return [];
    const why = seen.kind === 'absent' ? 'block does not exist' : 'block differs';
    return [{ kind: 'block', what: file.path, why }];
  }
  const seen = observed.files.get(file.path) ?? { kind: 'absent' };
  if (seen.kind === 'absent') return because('file', file.path, ['does not exist']);
  if (seen.kind === 'not-regular') return because('file', file.path, ['not a regular file']);
  const content = seen.sha256 === file.sha256 ? [] : ['content differs'];
  return because('file', file.path, [...content, ...diffPermissions(file, seen)]);
}

interface Permissions {
  readonly mode: number;
  readonly owner: string;
}

function diffPermissions(wanted: Permissions, seen: Permissions): string[] {
  const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
  return [
    ...(seen.mode === wanted.mode ? [] : [`mode ${octal(seen.mode)}, wanted ${octal(wanted.mode)}`]),
    ...(seen.owner === wanted.owner ? [] : [`owner ${seen.owner}, wanted ${wanted.owner}`]),
  ];
}

function diffSysctl(name: string, wanted: string, observed: HostObservation): Change[] {
  const value = observed.sysctls.get(name);
  // The kernel prints lists with tabs between them.
  const words = (text: string): string => text.trim().split(/\s+/).join(' ');
  if (value !== undefined && words(value) === words(wanted)) return [];
  const why = value === undefined ? 'the kernel does not have it' : `${words(value)}, wanted ${words(wanted)}`;
  return [{ kind: 'sysctl', what: name, why }];
}

/** UnitFileState values that start a unit at boot, or that leave nothing to enable. */
const enabledStates = new Set(['enabled', 'enabled-runtime', 'static', 'alias', 'generated', 'indirect']);
/** UnitFileState values that do not start a unit at boot of themselves; empty where there is no such unit. */
const disabledStates = new Set([
  'disabled',
  'static',
  'alias',
  'generated',
  'indirect',
  'masked',
  'masked-runtime',
  '',
]);

function diffUnit(unit: DesiredUnit, changedPaths: ReadonlySet<string>, observed: HostObservation): UnitChange[] {
  const seen = observed.units.get(unit.name);
  const fileState = seen?.fileState ?? '';
  if (
    unit.broughtBy !== undefined &&
    !unit.enabled &&
    !unit.running &&
    observed.packages.get(unit.broughtBy) !== true
  ) {
    return [{ kind: 'unit', what: unit.name, why: `comes with ${unit.broughtBy}`, enablement: 'disable', run: 'stop' }];
  }
  const reasons: string[] = [];
  let enablement: UnitChange['enablement'];
  if (unit.enabled && !enabledStates.has(fileState)) {
    enablement = 'enable';
    reasons.push('not enabled');
  } else if (!unit.enabled && !disabledStates.has(fileState)) {
    enablement = 'disable';
    reasons.push('enabled');
  }
  const run = unit.running ? whyStart(unit, seen, changedPaths, observed) : whyStop(seen);
  if (run !== undefined) reasons.push(run.why);
  if (seen?.needDaemonReload === true && run === undefined) reasons.push('its unit file was not reloaded');
  if (reasons.length === 0) return [];
  return [
    {
      kind: 'unit',
      what: unit.name,
      why: reasons.join(', '),
      ...(enablement !== undefined && { enablement }),
      ...(run !== undefined && { run: run.run }),
    },
  ];
}

interface RunReason {
  readonly run: NonNullable<UnitChange['run']>;
  readonly why: string;
}

function whyStop(seen: ObservedUnit | undefined): RunReason | undefined {
  const stopped = seen === undefined || ['inactive', 'failed'].includes(seen.activeState);
  return stopped ? undefined : { run: 'stop', why: 'running' };
}

function whyStart(
  unit: DesiredUnit,
  seen: ObservedUnit | undefined,
  changedPaths: ReadonlySet<string>,
  observed: HostObservation,
): RunReason | undefined {
  const reads = new Set([...unit.restartOn, ...(seen?.loadedFrom ?? [])]);
  const changing = [...changedPaths].find((path) => reads.has(path) || isUnitFile(unit.name, path));
  // Also where the unit is stopped: a package may start it, with its own configuration, before ours is in place.
  if (changing !== undefined) return { run: 'restart', why: `reads ${changing}, which changes` };
  if (seen?.activeState !== 'active') return { run: 'start', why: describeInactive(seen) };
  const newer = newerThanUnit(unit, seen, observed);
  // A run that was killed between the change of a file and the restart leaves nothing else to know it by.
  return newer === undefined ? undefined : { run: 'restart', why: `runs since before ${newer} changed` };
}

function describeInactive(seen: ObservedUnit | undefined): string {
  if (seen === undefined || seen.activeState === 'inactive') return 'stopped';
  if (seen.activeState === 'failed') return 'failed';
  return `${seen.activeState} (${seen.subState})`;
}

/** Whether the file at `path` defines the unit: its unit file, or one of its drop-ins (systemd.unit(5)). */
function isUnitFile(unit: string, path: string): boolean {
  const [directory, file] = path.split('/').slice(-2);
  return file === unit || directory === `${unit}.d`;
}

function newerThanUnit(unit: DesiredUnit, seen: ObservedUnit, observed: HostObservation): string | undefined {
  return [...unit.restartOn, ...seen.loadedFrom].find((path) => {
    const changed = observed.changedAt.get(path);
    // A time in the future means that the clock was set back since; it says nothing.
    return changed !== undefined && changed <= observed.now && changed > seen.activeSince;
  });
}
