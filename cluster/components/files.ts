import type { DesiredDirectory, DesiredFile } from '../desired-state.js';

/** Where the deployer puts programs. */
export const BIN = '/usr/local/bin';

/** A program out of an artifact's archive (or the artifact itself when `member` is absent). */
export function program(name: string, artifact: string, member?: string): DesiredFile {
  return {
    path: `${BIN}/${name}`,
    mode: 0o755,
    owner: 'root:root',
    content: { kind: 'artifact', artifact: member === undefined ? { artifact } : { artifact, member } },
  };
}

/** A configuration file, readable by its owner alone unless said otherwise. */
export function textFile(path: string, text: string, owner = 'root:root', mode = 0o600): DesiredFile {
  return { path, mode, owner, content: { kind: 'text', text } };
}

/** A certificate, which anyone may read. */
export function certificateFile(path: string, certificate: string): DesiredFile {
  return { path, mode: 0o644, owner: 'root:root', content: { kind: 'certificate', certificate } };
}

/** A private key, which only its owner may read. */
export function keyFile(path: string, key: string, owner = 'root:root'): DesiredFile {
  return { path, mode: 0o600, owner, content: { kind: 'private-key', key } };
}

/** A kubeconfig with an embedded client certificate, readable by root alone. */
export function kubeconfigFile(path: string, server: string, certificate: string): DesiredFile {
  return { path, mode: 0o600, owner: 'root:root', content: { kind: 'kubeconfig', server, certificate } };
}

export function directory(path: string, owner = 'root:root', mode = 0o755): DesiredDirectory {
  return { path, owner, mode };
}
