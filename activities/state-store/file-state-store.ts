import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { octal, OPEN_TO_OTHERS, parentProblem } from '../file-trust.js';
import { quote } from '../ssh/remote-command.js';
import { canonicalJson } from './canonical-json.js';
import { DurableFiles, ensurePrivateDirectory, isErrno } from './durable-files.js';
import { FileSecretStore } from './file-secret-store.js';
import type { ClusterStore, SecretStore, StateStore } from './state-store.js';

/** The state store cannot be used as it is; the message says what to do about it. */
export class StateStoreError extends Error {}

/**
 * Opens the state store: `$HA_KUBERNETES_HOME`, by default `ha-kubernetes` under `$XDG_STATE_HOME` or `~/.local/state`.
 *
 * A missing directory is created, but not the parent of an explicit one: an unmounted share must not pass for a new store.
 *
 * @throws StateStoreError at once if it is missing, not writable, or not ours alone in all of it.
 */
export async function openStateStore(environment: NodeJS.ProcessEnv = process.env): Promise<StateStore> {
  const home = await prepareHome(environment);
  await checkPrivate(home);
  const temporaryDirectory = join(home, 'tmp');
  await checkWritable(home, temporaryDirectory);
  const files = new DurableFiles(temporaryDirectory);
  await files.sweep();
  return new FileStateStore(home, files);
}

async function prepareHome(environment: NodeJS.ProcessEnv): Promise<string> {
  const explicit = environment['HA_KUBERNETES_HOME'];
  const base = environment['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  const home = explicit ?? join(base, 'ha-kubernetes');
  try {
    if (explicit === undefined) await ensurePrivateDirectory(base);
    await mkdir(home, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw unusable(home, error, `create ${dirname(home)} (or mount it) first`);
  }
  return home;
}

/**
 * Everything in the store is ours alone. Whoever could put a file there could be the cluster: the whole tree is looked
 * at, and nothing in it leads elsewhere.
 */
async function checkPrivate(home: string): Promise<void> {
  if (!(await lstat(home)).isDirectory()) {
    throw new StateStoreError(
      `state store ${home} is not a directory: point HA_KUBERNETES_HOME to a directory itself, not to a link`,
    );
  }
  const exchangeable = await parentProblem(dirname(await realpath(home)));
  if (exchangeable !== undefined) throw new StateStoreError(`state store ${home} cannot be trusted: ${exchangeable}`);
  await checkEntry(home);
  for (const entry of await readdir(home, { recursive: true })) await checkEntry(join(home, entry));
}

async function checkEntry(path: string): Promise<void> {
  const status = await lstat(path).catch((error: unknown) => {
    // Another worker has just removed it.
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (status === undefined) return;
  const refuse = (why: string, fix: string): StateStoreError =>
    new StateStoreError(`state store: ${path} ${why}: run ${fix}`);
  if (!status.isFile() && !status.isDirectory()) {
    throw refuse('is neither file nor directory, and may lead elsewhere', `rm ${quote(path)}`);
  }
  const own = process.getuid?.() ?? status.uid;
  if (status.uid !== own) {
    throw refuse(
      `belongs to user id ${status.uid}, but only the worker's user (${own}) may own it`,
      `chown ${own} ${quote(path)} if its content can be trusted`,
    );
  }
  if ((status.mode & OPEN_TO_OTHERS) !== 0) {
    throw refuse(
      `has mode ${octal(status.mode)}, but it holds private keys and may be open to its owner only`,
      `chmod ${status.isDirectory() ? '0700' : '0600'} ${quote(path)}`,
    );
  }
}

async function checkWritable(home: string, temporaryDirectory: string): Promise<void> {
  const probe = join(temporaryDirectory, randomUUID());
  try {
    await ensurePrivateDirectory(temporaryDirectory);
    await writeFile(probe, '', { flag: 'wx', mode: 0o600 });
    await rm(probe);
  } catch (error) {
    throw unusable(home, error, 'make it writable for the user that runs the worker, or set HA_KUBERNETES_HOME');
  }
}

function unusable(home: string, error: unknown, fix: string): StateStoreError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  return new StateStoreError(`state store ${home} cannot be written (${code}): ${fix}`, { cause: error });
}

class FileStateStore implements StateStore {
  readonly artifactsDirectory: string;
  readonly powerProgramsFile: string;

  constructor(
    private readonly home: string,
    private readonly files: DurableFiles,
  ) {
    this.artifactsDirectory = join(home, 'artifacts');
    this.powerProgramsFile = join(home, 'power-programs.yaml');
  }

  async cluster(name: string): Promise<ClusterStore> {
    if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name)) {
      throw new StateStoreError(`"${name}" is no name of a cluster: lower-case letters, digits and "-"`);
    }
    const directory = join(this.home, 'clusters', name);
    await ensurePrivateDirectory(join(directory, 'specs'));
    await ensurePrivateDirectory(join(directory, 'reports'));
    return new FileClusterStore(name, directory, this.files);
  }
}

class FileClusterStore implements ClusterStore {
  readonly pki: SecretStore;
  readonly encryption: SecretStore;
  readonly knownHostsPath: string;
  readonly kubeconfigPath: string;

  constructor(
    readonly name: string,
    private readonly directory: string,
    private readonly files: DurableFiles,
  ) {
    this.pki = new FileSecretStore(join(directory, 'pki'), files, 'pem');
    this.encryption = new FileSecretStore(join(directory, 'encryption'), files, 'json');
    this.knownHostsPath = join(directory, 'known_hosts');
    this.kubeconfigPath = join(directory, 'kubeconfig');
  }

  async putSpec(spec: unknown): Promise<string> {
    const text = canonicalJson(spec);
    const digest = sha256(text);
    await this.files.create(this.specPath(digest), text, 0o600);
    return digest;
  }

  async getSpec(digest: string): Promise<unknown> {
    const path = this.specPath(digest);
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
      throw new StateStoreError(
        `spec ${digest} of cluster ${this.name} is not at ${path}: all workers and clients must share one state store (HA_KUBERNETES_HOME)`,
      );
    });
    if (sha256(text) !== digest) {
      throw new StateStoreError(`${path} does not have the digest in its name: remove it and start the workflow again`);
    }
    return JSON.parse(text);
  }

  async writeKubeconfig(text: string): Promise<void> {
    await this.files.write(this.kubeconfigPath, text, 0o600);
  }

  async removeKubeconfig(): Promise<boolean> {
    try {
      await rm(this.kubeconfigPath);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  async writeReport(file: string, text: string): Promise<string> {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file)) {
      throw new StateStoreError(`"${file}" is no name of a report: letters, digits, ".", "_" and "-"`);
    }
    const path = join(this.directory, 'reports', file);
    await this.files.write(path, text, 0o600);
    return path;
  }

  private specPath(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new StateStoreError(`"${digest}" is no digest of a spec: 64 lower-case hexadecimal digits`);
    }
    return join(this.directory, 'specs', `${digest}.json`);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
