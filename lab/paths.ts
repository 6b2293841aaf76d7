import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { LabError } from './errors.js';

/** Directories of one lab host, all below {@link LabPaths.hosts}. */
export interface HostPaths {
  directory: string;
  /** What the host is: written last when its disk is made, so a host without it does not exist. */
  record: string;
  upper: string;
  work: string;
  /** Where the overlay is mounted. */
  root: string;
  /** Directories of a real file system for what cannot live on an overlay. */
  volumes: string;
  console: string;
}

/** Where the lab keeps what it makes. */
export interface LabPaths {
  state: string;
  hosts: string;
  privateKey: string;
  knownHosts: string;
  cache: string;
}

/**
 * Directories of the lab from the environment: `HA_KUBERNETES_LAB` (state, default `/var/lib/ha-kubernetes-lab`) and
 * `HA_KUBERNETES_CACHE` (base images, default `ha-kubernetes` under `XDG_CACHE_HOME` or `~/.cache`).
 * @throws LabError on a path with characters that overlay mounts and nspawn's `--bind` give a meaning
 */
export function labPaths(environment: NodeJS.ProcessEnv = process.env): LabPaths {
  const state = plainPath('HA_KUBERNETES_LAB', environment['HA_KUBERNETES_LAB'] ?? '/var/lib/ha-kubernetes-lab');
  const cacheHome = environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cache = plainPath(
    'HA_KUBERNETES_CACHE',
    environment['HA_KUBERNETES_CACHE'] ?? join(cacheHome, 'ha-kubernetes'),
  );
  return {
    state,
    hosts: join(state, 'hosts'),
    privateKey: join(state, 'ssh', 'id_ed25519'),
    knownHosts: join(state, 'ssh', 'known_hosts'),
    cache: join(cache, 'lab'),
  };
}

/** Directories of the host `name`. */
export function hostPaths(paths: LabPaths, name: string): HostPaths {
  return hostPathsIn(join(paths.hosts, name));
}

/** Directories of a host that lives in `directory`. */
export function hostPathsIn(directory: string): HostPaths {
  return {
    directory,
    record: join(directory, 'host.json'),
    upper: join(directory, 'upper'),
    work: join(directory, 'work'),
    root: join(directory, 'root'),
    volumes: join(directory, 'volumes'),
    console: join(directory, 'console.log'),
  };
}

function plainPath(variable: string, value: string): string {
  const path = resolve(value);
  if (path === '/' || !/^[\w./@+-]+$/.test(path)) {
    throw new LabError(
      `${variable} is "${value}": use a directory other than / whose path has only letters, digits and . _ - + @ / (mount options give other characters a meaning)`,
    );
  }
  return path;
}
