import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DurableFiles, ensurePrivateDirectory, isErrno } from './durable-files.js';
import type { SecretGeneration, SecretStore } from './state-store.js';

/** Keeps each generation as `<directory>/<name>/<generation>.<extension>`, 0600 in directories of 0700. */
export class FileSecretStore implements SecretStore {
  constructor(
    private readonly directory: string,
    private readonly files: DurableFiles,
    private readonly extension: 'pem' | 'json',
  ) {}

  async newest(name: string): Promise<SecretGeneration | undefined> {
    const directory = this.location(name);
    const entries = await readdir(directory).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
    const generation = Math.max(0, ...entries.map((entry) => this.generationOf(entry)));
    if (generation === 0) return undefined;
    return { generation, text: await readFile(join(directory, `${generation}.${this.extension}`), 'utf8') };
  }

  async add(name: string, { generation, text }: SecretGeneration): Promise<boolean> {
    const directory = this.location(name);
    await ensurePrivateDirectory(directory);
    return this.files.create(join(directory, `${generation}.${this.extension}`), text, 0o600);
  }

  private generationOf(entry: string): number {
    const [, generation = '0', extension] = /^([1-9]\d*)\.([a-z]+)$/.exec(entry) ?? [];
    return extension === this.extension ? Number(generation) : 0;
  }

  location(name: string): string {
    if (!/^[a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*)*$/.test(name)) {
      throw new RangeError(
        `"${name}" is no name of a secret: lower-case letters, digits, "-", ".", parts joined by "/"`,
      );
    }
    return join(this.directory, name);
  }
}
