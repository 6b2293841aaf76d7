import { createHash, randomUUID } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';

/** A temporary file that nobody wrote to for this long belongs to a process that died. */
const ABANDONED_AFTER_MS = 10 * 60 * 1000;

/** Where process ids mean the same as here: this machine, or this container of it. */
const place = createHash('sha256').update(`${hostname()} ${pidNamespace()}`).digest('hex').slice(0, 16);

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has them.
    return '';
  }
}

/**
 * Writes files so that a reader, or a machine that lost power, sees the old content or the new, never a part.
 *
 * The bytes go to a temporary file on the same file system, are flushed, and get their final name in one step; the
 * directory is flushed after it. One directory holds all temporary files, so that what a killed process left is found.
 */
export class DurableFiles {
  constructor(private readonly temporaryDirectory: string) {}

  /** Replaces whatever has that name. */
  async write(path: string, data: string | Uint8Array, mode: number): Promise<void> {
    await this.withTemporary(mode, async (temporary, handle) => {
      await handle.writeFile(data);
      await this.publish(temporary, handle, path);
    });
  }

  /**
   * Creates the file unless the name is taken; of two callers at once, on one machine or on shared storage, exactly one
   * succeeds (link(2) refuses an existing name).
   *
   * @returns whether this call created it.
   */
  async create(path: string, data: string | Uint8Array, mode: number): Promise<boolean> {
    return this.withTemporary(mode, async (temporary, handle) => {
      await handle.writeFile(data);
      await handle.sync();
      try {
        await link(temporary, path);
      } catch (error) {
        if (isErrno(error, 'EEXIST')) return false;
        throw error;
      }
      await syncDirectory(dirname(path));
      return true;
    });
  }

  /** Gives a finished temporary file its final name, durably. */
  async publish(temporary: string, handle: FileHandle, path: string): Promise<void> {
    await handle.sync();
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  }

  /** Runs an action with a new temporary file, which is gone afterwards unless the action published it. */
  async withTemporary<T>(mode: number, action: (path: string, handle: FileHandle) => Promise<T>): Promise<T> {
    const path = join(this.temporaryDirectory, `${place}.${process.pid}.${randomUUID()}`);
    const handle = await open(path, 'wx', mode);
    try {
      return await action(path, handle);
    } finally {
      await handle.close();
      await rm(path, { force: true });
    }
  }

  /** Removes the temporary files of processes that were killed. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.temporaryDirectory)) {
      const path = join(this.temporaryDirectory, name);
      const status = await stat(path).catch(() => undefined);
      if (status === undefined) continue;
      if (writerIsDead(name) || Date.now() - status.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
    }
  }
}

/** Whether a temporary file is of a process that lived here and is gone. */
function writerIsDead(name: string): boolean {
  const [where, pid] = name.split('.');
  if (where !== place) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return isErrno(error, 'ESRCH');
  }
}

/** Creates a directory and its parents, readable by their owner alone. */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Whether an error is a system error of that code, e.g. `ENOENT`. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
