import { execa } from 'execa';
import type { HostRecord } from '../hosts.js';
import type { LabPaths } from '../paths.js';
import { onAll } from '../progress.js';
import { sshArguments } from '../ssh.js';

/** Where containerd looks for the hosts of each registry unless its configuration says otherwise. */
const DIRECTORY = '/etc/containerd/certs.d';

/** First line of a file that is ours to write over and to remove. */
const MARK = '# written by script/conformance';

/** The file that lets containerd ask `url` first (https://github.com/containerd/containerd/blob/main/docs/hosts.md). */
export function hostsFile(registry: string, url: string): string {
  return [MARK, `server = "https://${registry}"`, `[host."${url}"]`, '  capabilities = ["pull", "resolve"]', ''].join(
    '\n',
  );
}

/**
 * Makes the runtimes of `hosts` ask `url` first for what is in `registries`.
 *
 * @throws LabError if a host has such a file that is not from here
 */
export async function pullFrom(
  paths: LabPaths,
  hosts: readonly HostRecord[],
  registries: readonly string[],
  url: string,
): Promise<void> {
  const script = registries.map((registry) => {
    const file = `${DIRECTORY}/${registry}/hosts.toml`;
    return [
      `if [ -e ${file} ] && ! grep -qx '${MARK}' ${file}; then echo '${file} is there and not from here' >&2; exit 1; fi`,
      `mkdir -p ${DIRECTORY}/${registry}`,
      `cat >${file} <<'END'\n${hostsFile(registry, url)}END`,
    ].join('\n');
  });
  await onHosts('point the runtimes to the registry', paths, hosts, ['set -e', ...script].join('\n'));
}

/** Takes back what {@link pullFrom} did, and nothing else. */
export async function pullAsBefore(
  paths: LabPaths,
  hosts: readonly HostRecord[],
  registries: readonly string[],
): Promise<void> {
  const script = registries.map((registry) => {
    const directory = `${DIRECTORY}/${registry}`;
    const file = `${directory}/hosts.toml`;
    return [
      `if grep -qxs '${MARK}' ${file}; then rm ${file}; fi`,
      `if [ -d ${directory} ]; then rmdir --ignore-fail-on-non-empty ${directory}; fi`,
    ].join('\n');
  });
  const rest = `if [ -d ${DIRECTORY} ]; then rmdir --ignore-fail-on-non-empty ${DIRECTORY}; fi`;
  await onHosts('take the registry off the runtimes', paths, hosts, ['set -e', ...script, rest].join('\n'));
}

async function onHosts(what: string, paths: LabPaths, hosts: readonly HostRecord[], script: string): Promise<void> {
  await onAll(what, hosts, async (host) => {
    await execa('ssh', sshArguments(paths, host, ['sh']), { input: script, timeout: 60_000 });
  });
}
