import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.js';
import { run } from './run.js';

/** This module's file, for steps that build with Go. */
export const goCode = import.meta.filename;

/** A Go compiler on this machine. */
export interface GoToolchain {
  /** Path of the `go` command. */
  readonly command: string;
  /** e.g. `1.19.8`. */
  readonly version: string;
}

/** The compiler of Debian's package `golang-<series>-go`. */
export function debianGo(series: string): string {
  return `/usr/lib/go-${series}/bin/go`;
}

/**
 * A compiler by the path or name of its command.
 *
 * @param fix what to do if there is none
 * @param toolchain value of GOTOOLCHAIN: `local` for the command's own compiler
 */
export async function goToolchain(command: string, fix: string, toolchain = 'local'): Promise<GoToolchain> {
  const text = await run(command, ['version'], { env: { GOTOOLCHAIN: toolchain } }).catch((error: unknown) => {
    throw new LabError(`no Go compiler answers as "${command}": ${fix}`, { cause: error });
  });
  const version = /go(\d+\.\d+(\.\d+)?)/.exec(text)?.[1];
  if (version === undefined) throw new LabError(`"${command} version" answers "${text}": ${fix}`);
  return { command, version };
}

/**
 * The compiler of exactly this version: that of the `go` command on PATH, or one that this command fetches as the module
 * `golang.org/toolchain`, checked against the checksum database (https://go.dev/doc/toolchain).
 *
 * @throws LabError if there is no `go` or it is too old to fetch another (before 1.21) and is not that version itself
 */
export async function pinnedGo(version: string): Promise<GoToolchain> {
  const fix = `install Go ${version} and put it first on PATH`;
  const go = await goToolchain('go', fix, `go${version}`);
  if (go.version !== version) throw new LabError(`the plan builds with Go ${version}, "go" is ${go.version}: ${fix}`);
  return go;
}

/** Whether `version` is `wanted` or newer; both as in a `go` directive, such as `1.26.0` or `1.13`. */
export function goAtLeast(version: string, wanted: string): boolean {
  const numbers = (text: string): number[] => text.split('.').map(Number);
  const [have, want] = [numbers(version), numbers(wanted)];
  for (const part of [0, 1, 2]) {
    const difference = (have[part] ?? 0) - (want[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** The Go version that the text of a go.mod file asks for; a module without the directive asks for none. */
export function goDirective(goMod: string): string {
  return /^go (\d+\.\d+(\.\d+)?)/m.exec(goMod)?.[1] ?? '1.0';
}

/**
 * Environment of a build: the compiler that was chosen and no other (a module must not bring another), no cgo, and none
 * of the person's own flags.
 */
export function goEnvironment(go: GoToolchain, cache: string): Record<string, string> {
  return {
    ...{ GOOS: 'linux', GOARCH: 'amd64', CGO_ENABLED: '0' },
    ...{ GOTOOLCHAIN: `go${go.version}`, GOFLAGS: '', GOWORK: 'off', GOCACHE: cache },
  };
}

/** Copies a module of the registry, checked by Go against the checksum database, into `directory`, writable. */
export async function copyModule(
  go: GoToolchain,
  cache: string,
  module: string,
  version: string,
  directory: string,
): Promise<void> {
  const output = await run(go.command, ['mod', 'download', '-json', `${module}@${version}`], {
    cwd: '/',
    env: { ...goEnvironment(go, cache), GO111MODULE: 'on' },
  });
  const { Dir: source } = JSON.parse(output) as { Dir: string };
  await cp(source, directory, { recursive: true });
  await run('chmod', ['--recursive', 'u+w', directory]);
}

/** @throws LabError if the module in `directory` asks for a newer Go than `go` */
export async function requireGoFor(go: GoToolchain, directory: string, module: string): Promise<void> {
  const wanted = goDirective(await readFile(join(directory, 'go.mod'), 'utf8'));
  if (!goAtLeast(go.version, wanted)) {
    throw new LabError(
      `${module} needs Go ${wanted} or newer, "${go.command}" is ${go.version}: install a newer Go and put it first on PATH`,
    );
  }
}
