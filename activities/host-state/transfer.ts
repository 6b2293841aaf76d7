import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { receiveCommand } from './apply-script.js';
import type { ResolvedContent } from '../content.js';

/** One file on its way to a host. */
export interface Parcel {
  /** Absolute; a temporary name. */
  readonly path: string;
  readonly content: Pick<ResolvedContent, 'size' | 'open'>;
}

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called about once a second with what has been sent so far. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** Half a gigabyte at 0.5 MB/s, a slow uplink. */
const TRANSFER_TIMEOUT_MS = 20 * 60 * 1000;
const PROGRESS_INTERVAL_MS = 1000;

/**
 * Sends files to a host in one tar stream, each readable by its owner alone. Memory stays bounded: a file is opened when
 * its turn comes and read at the pace of the host.
 */
export async function transfer(host: RemoteHost, parcels: readonly Parcel[], options: TransferOptions): Promise<void> {
  const total = parcels.reduce((sum, { content }) => sum + content.size, 0);
  const archive = pack();
  let sent = 0;
  const progress = setInterval(() => {
    options.onProgress?.(`sent ${megabytes(sent)} of ${megabytes(total)} MB`);
  }, PROGRESS_INTERVAL_MS);
  let filling = Promise.resolve();
  async function* read(): AsyncGenerator<Buffer> {
    // Only now, as a pack that was destroyed before anyone reads it never says so.
    filling = fill(archive, parcels).catch((error: unknown) => {
      archive.destroy(error as Error);
    });
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      sent += chunk.length;
      yield chunk;
    }
  }
  try {
    await host.run({
      title: `receive ${parcels.length} files`,
      command: receiveCommand,
      stdin: Readable.from(read(), { objectMode: false }),
      timeoutMs: TRANSFER_TIMEOUT_MS,
      signal: options.signal,
    });
  } finally {
    clearInterval(progress);
    // A host that stopped reading leaves the rest unsent.
    archive.destroy();
    await filling;
  }
}

async function fill(archive: Pack, parcels: readonly Parcel[]): Promise<void> {
  for (const parcel of parcels) await add(archive, parcel);
  archive.finalize();
}

/** Resolves when the whole file is in the stream; an error on either side ends the other. */
function add(archive: Pack, { path, content }: Parcel): Promise<void> {
  return new Promise((resolve, reject) => {
    const header = { name: path.slice(1), size: content.size, mode: 0o600 };
    const bytes = content.open();
    if (Buffer.isBuffer(bytes)) {
      archive.entry(header, bytes, settle);
      return;
    }
    const entry = archive.entry(header, settle).on('error', settle);
    bytes.once('error', settle).pipe(entry);

    function settle(error?: Error | null): void {
      if (!(error instanceof Error)) {
        resolve();
        return;
      }
      if (!Buffer.isBuffer(bytes)) bytes.destroy();
      reject(error);
    }
  });
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
