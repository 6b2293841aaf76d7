import { execa } from 'execa';
import type { HostRecord } from '../hosts.js';
import type { LabPaths } from '../paths.js';
import { onAll, withProgress } from '../progress.js';
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
 * Does `work` while the runtimes of `hosts` ask `url` first for what is in `registries`. It is taken back at the end,
 * and nothing else is.
 *
 * @param fuller references of images that hosts have with fewer programs in them; those of the registry take their place
 * @throws LabError if a host has such a file that is not from here
 */
export async function whilePullingFrom<T>(
  url: string,
  registries: readonly string[],
  paths: LabPaths,
  hosts: readonly HostRecord[],
  fuller: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    await onHosts('point the runtimes to the registry', paths, hosts, [
      ...registries.map((name) => add(name, url)),
      ...fuller.map((reference) => `ctr -n k8s.io images pull --hosts-dir ${DIRECTORY} '${reference}' >/dev/null`),
    ]);
    return await work();
  } finally {
    const last = `if [ -d ${DIRECTORY} ]; then rmdir --ignore-fail-on-non-empty ${DIRECTORY}; fi`;
    await onHosts('take the registry off the runtimes', paths, hosts, [...registries.map(remove), last]);
  }
}

function add(registry: string, url: string): string {
  const directory = `${DIRECTORY}/${registry}`;
  const file = `${directory}/hosts.toml`;
  return [
    `if [ -e ${file} ] && ! grep -qx '${MARK}' ${file}; then echo '${file} is there and not from here' >&2; exit 1; fi`,
    `mkdir -p ${directory}`,
    `cat >${file} <<'END'\n${hostsFile(registry, url)}END`,
  ].join('\n');
}

function remove(registry: string): string {
  const directory = `${DIRECTORY}/${registry}`;
  const file = `${directory}/hosts.toml`;
  return [
    `if grep -qxs '${MARK}' ${file}; then rm ${file}; fi`,
    `if [ -d ${directory} ]; then rmdir --ignore-fail-on-non-empty ${directory}; fi`,
  ].join('\n');
}

async function onHosts(
  what: string,
  paths: LabPaths,
  hosts: readonly HostRecord[],
  script: readonly string[],
): Promise<void> {
  await withProgress(`${what} (${hosts.map(({ name }) => name).join(', ')})`, () =>
    onAll(what, hosts, async (host) => {
      const input = ['set -e', ...script].join('\n');
      await execa('ssh', sshArguments(paths, host, ['sh']), { input, timeout: 120_000 });
    }),
  );
}
