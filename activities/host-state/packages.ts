import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { LOCK_SECONDS, packageFunctions } from './apply-script.js';
import { call, script, PACKAGE_SPOOL } from './shell.js';
import { transfer, type Parcel, type TransferOptions } from './transfer.js';
import { journalFunctions, openJournal, type UndoJournal } from './undo-journal.js';

/** A .deb file on the worker. */
export interface LocalFile {
  /** Its own name, ending in .deb; the cache keeps it under another. */
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
}

/** Where a host's packages come from. */
export type PackageSource =
  /** The package source of its distribution, over its own network. */
  | { readonly kind: 'distribution' }
  /** .deb files sent by us: for a package, itself and whatever it needs beyond a bare cloud image. */
  | { readonly kind: 'files'; readonly files: (name: string) => readonly LocalFile[] };

/** A slow mirror, and a hundred packages to unpack on a slow disk, when others have done with the packages. */
const INSTALL_TIMEOUT_MS = (15 * 60 + LOCK_SECONDS) * 1000;

/**
 * Installs packages that a host misses; what an interrupted installation left half done is finished first.
 *
 * @param records - calls that write down what the packages may change by themselves, as they may start programs.
 */
export async function installPackages(
  host: RemoteHost,
  names: readonly string[],
  records: readonly string[],
  source: PackageSource,
  options: TransferOptions & { readonly journal: UndoJournal },
): Promise<void> {
  options.onProgress?.(`installing ${names.join(', ')}`);
  const calls =
    source.kind === 'distribution'
      ? [call('install_online', ...names)]
      : await send(host, names, source.files, options);
  await host.run({
    title: `install ${names.join(', ')}`,
    command: 'sh -s',
    stdin: script(journalFunctions + packageFunctions, [
      call('finish_interrupted'),
      openJournal(options.journal),
      ...records,
      ...calls,
    ]),
    timeoutMs: INSTALL_TIMEOUT_MS,
    signal: options.signal,
    ...(options.onProgress !== undefined && { onStdoutLine: options.onProgress }),
  });
}

/** Sends the files of the packages, and returns the calls that check and install them. */
async function send(
  host: RemoteHost,
  names: readonly string[],
  filesOf: (name: string) => readonly LocalFile[],
  options: TransferOptions,
): Promise<string[]> {
  const files = new Map(names.flatMap(filesOf).map((file) => [posix.join(PACKAGE_SPOOL, file.name), file]));
  const parcels = await Promise.all(
    [...files].map(async ([path, file]): Promise<Parcel> => {
      const { size } = await stat(file.path);
      return { path, content: { size, open: () => createReadStream(file.path) } };
    }),
  );
  await transfer(host, parcels, options);
  return [...[...files].map(([path, { sha256 }]) => call('check', path, sha256)), call('install_files')];
}
