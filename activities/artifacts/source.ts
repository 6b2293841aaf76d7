import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Artifact, mirrorPath } from '../../cluster/artifacts.js';
import { isErrno } from '../state-store/durable-files.js';
import { ArtifactError } from './artifact-error.js';

/** A source that sends no byte for this long is taken for dead, in milliseconds. */
export const STALL_TIMEOUT_MS = 30_000;

const badMirror = { protocol: '', username: '', password: '', search: '' };

/** Bytes that an artifact may have whose lock entry does not say how many; the largest official archive has a fifth. */
const MOST_BYTES = 2 * 1024 ** 3;

const MOST_REDIRECTS = 5;

/** HTTP answers that a later request may well not get. */
const RETRYABLE_STATUS = [408, 425, 429];

/** A registry gives a manifest only to those who name its type. */
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  '*/*',
].join(', ');

export interface ArtifactSource {
  /** Where the bytes come from, for messages. */
  readonly address: string;
  /** Bytes in all, where the source says so. */
  readonly size: number | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Address of an artifact: its official URL, or its place in a mirror, which is a directory or an http(s) URL.
 *
 * @throws ArtifactError for a mirror that is neither, or that has a password in its URL.
 */
export function addressOf(artifact: Artifact, mirror: string | undefined): string {
  if (mirror === undefined) return artifact.url;
  if (!/^[a-z][a-z0-9+.-]*:/i.test(mirror)) return join(mirror, mirrorPath(artifact));
  const { protocol, username, password, search } = URL.canParse(mirror) ? new URL(mirror) : badMirror;
  if (!/^https?:$/.test(protocol) || username !== '' || password !== '' || search !== '') {
    throw new ArtifactError(
      'the artifact mirror must be a directory or an http(s) URL without user, password and query (it is not shown, it may hold a secret): serve it on a trusted network instead, its files are verified anyway',
      { retryable: false },
    );
  }
  return `${mirror.replace(/\/+$/, '')}/${mirrorPath(artifact)}`;
}

/** How many bytes of an artifact are read at most. */
export function boundOf({ size }: Artifact): number {
  return size ?? MOST_BYTES;
}

/** Permanent: nothing that is larger than the lock file says can be the right file. */
export function tooLarge(artifact: Artifact, address: string, bytes: string): ArtifactError {
  const allowed = artifact.size === undefined ? `at most ${MOST_BYTES}, as its lock entry has no size` : artifact.size;
  return new ArtifactError(
    `artifact ${artifact.name}: ${address} has ${bytes} bytes, and not ${allowed}: replace the file, or correct the lock file if the change is meant`,
    { retryable: false },
  );
}

export interface OpenOptions {
  /** A mirror, which answers itself: no redirect of it is followed. */
  readonly mirrored: boolean;
  readonly signal: AbortSignal;
  readonly stallTimeoutMs: number;
}

/**
 * Opens an artifact's address.
 *
 * @throws ArtifactError if it cannot be opened, or has another size than the lock file says; `content` throws one too if
 *   a connection fails on the way.
 */
export async function openSource(artifact: Artifact, address: string, options: OpenOptions): Promise<ArtifactSource> {
  return /^https?:/i.test(address) ? openUrl(artifact, address, options) : openFile(artifact, address);
}

async function openFile(artifact: Artifact, path: string): Promise<ArtifactSource> {
  try {
    const handle = await open(path);
    const { size } = await handle.stat();
    if (size > boundOf(artifact)) {
      await handle.close();
      throw tooLarge(artifact, path, String(size));
    }
    return { address: path, size, content: handle.createReadStream() as AsyncIterable<Buffer> };
  } catch (cause) {
    if (cause instanceof ArtifactError) throw cause;
    const missing = isErrno(cause, 'ENOENT');
    throw new ArtifactError(
      `artifact ${artifact.name}: ${path} ${missing ? 'is not in the mirror: add it' : 'cannot be read: make it readable'}`,
      { retryable: false, cause },
    );
  }
}

async function openUrl(
  artifact: Artifact,
  url: string,
  { mirrored, signal, stallTimeoutMs }: OpenOptions,
): Promise<ArtifactSource> {
  const watchdog = new Watchdog(stallTimeoutMs);
  const failure = (cause: unknown): unknown => {
    if (signal.aborted) return signal.reason;
    const what = watchdog.barked ? `no byte for ${stallTimeoutMs / 1000} s` : `connection failed (${codeOf(cause)})`;
    return new ArtifactError(`artifact ${artifact.name}: ${url}: ${what}`, { retryable: true, cause });
  };
  try {
    const response = await follow(artifact, url, mirrored, AbortSignal.any([signal, watchdog.signal]));
    const { body, status } = response;
    if (!response.ok || body === null) {
      watchdog.stop();
      await body?.cancel();
      const retryable = status >= 500 || RETRYABLE_STATUS.includes(status);
      const fix = retryable ? '' : ': correct the lock file, or add the file to the mirror';
      throw new ArtifactError(`artifact ${artifact.name}: ${url}: answered ${status}${fix}`, { retryable });
    }
    const length = response.headers.get('content-length');
    const size = length === null ? undefined : Number(length);
    if (size !== undefined && size > boundOf(artifact)) {
      await body.cancel();
      throw tooLarge(artifact, url, String(size));
    }
    return {
      address: url,
      size,
      content: watched(body, watchdog, failure),
    };
  } catch (error) {
    watchdog.stop();
    throw error instanceof ArtifactError ? error : failure(error);
  }
}

/** Asks, and where it is an official site also whom it refers to; its address may be signed, and is not shown. */
async function follow(artifact: Artifact, url: string, mirrored: boolean, signal: AbortSignal): Promise<Response> {
  let asked = new URL(url);
  for (let redirects = 0; ; redirects++) {
    // Compressed on the way, an archive would arrive unpacked and with another digest.
    const headers = { 'accept-encoding': 'identity', accept: ACCEPT };
    const response = await fetch(asked.href, { headers, redirect: 'manual', signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) return response;
    await response.body?.cancel();
    const refused = (why: string): ArtifactError =>
      new ArtifactError(`artifact ${artifact.name}: ${url}: ${why}`, { retryable: false });
    if (mirrored) throw refused('the mirror redirects; a mirror holds the files itself: correct its address');
    if (redirects === MOST_REDIRECTS) throw refused(`redirects more than ${MOST_REDIRECTS} times`);
    if (!URL.canParse(location, asked.href)) throw refused('redirects to no address');
    const next = new URL(location, asked);
    if (next.protocol !== 'https:' && next.protocol !== asked.protocol) {
      throw refused(`redirects from ${asked.protocol} to ${next.protocol}, which is less safe: correct the lock file`);
    }
    asked = next;
  }
}

async function* watched(
  body: AsyncIterable<Uint8Array>,
  watchdog: Watchdog,
  failure: (cause: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      watchdog.feed();
      yield chunk;
    }
  } catch (error) {
    throw failure(error);
  } finally {
    watchdog.stop();
  }
}

/** Aborts what it watches unless it is fed in time. */
class Watchdog {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    this.timer = setTimeout(() => {
      this.controller.abort();
    }, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get barked(): boolean {
    return this.controller.signal.aborted;
  }

  feed(): void {
    this.timer.refresh();
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

/** The system's or fetch's code for a failure, which names no URL and no header. */
function codeOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return 'closed before its end';
}
