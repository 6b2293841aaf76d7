import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from '../errors.js';
import { withProgress } from '../progress.js';
import { run } from './run.js';

/** Package lists older than this are fetched again. */
const LISTS_MAX_AGE_MS = 24 * 60 * 60 * 1000;

/**
 * apt with lists and a cache of its own, reading the same signed archives as the machine's apt, source packages
 * included. It installs nothing, and the machine's own lists are left alone.
 */
export class Apt {
  private constructor(
    private readonly options: readonly string[],
    /** Digest of the signed lists: as long as it stays, so does every answer. */
    readonly lists: string,
  ) {}

  /**
   * @param directory where lists are kept
   * @param codename release whose packages are wanted, e.g. `bookworm`
   * @throws LabError if the machine's apt has no lists of that release
   */
  static async open(directory: string, codename: string): Promise<Apt> {
    const sources = join(directory, 'sources.list');
    await mkdir(join(directory, 'lists', 'partial'), { recursive: true });
    await mkdir(join(directory, 'cache', 'archives', 'partial'), { recursive: true });
    await writeFile(sources, await machineSources(codename));
    const set = (name: string, value: string): string[] => ['-o', `${name}=${value}`];
    const options = [
      ...set('Dir::Etc::SourceList', sources),
      ...set('Dir::Etc::SourceParts', '/dev/null'),
      ...set('Dir::State::Lists', join(directory, 'lists')),
      ...set('Dir::Cache', join(directory, 'cache')),
      // Nothing counts as installed: what this machine happens to have must not change what is chosen.
      ...set('Dir::State::Status', '/dev/null'),
      ...set('APT::Install-Recommends', 'false'),
      ...set('APT::Sandbox::User', 'root'),
      ...set('Debug::NoLocking', 'true'),
      ...set('Acquire::Retries', '3'),
    ];
    const stamp = join(directory, 'updated');
    const age = await stat(stamp).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => Infinity,
    );
    if (age > LISTS_MAX_AGE_MS) {
      await withProgress('package lists', () => run('apt-get', [...options, '--quiet', '--error-on=any', 'update']));
      await writeFile(stamp, '');
    }
    return new Apt(options, await digestOfLists(join(directory, 'lists')));
  }

  /** Version of each binary package that would be installed. */
  async candidates(names: readonly string[]): Promise<Record<string, string>> {
    const text = await run('apt-cache', [...this.options, 'show', '--no-all-versions', ...names]);
    const versions = new Map(text.split('\n\n').map((stanza) => [field(stanza, 'Package'), field(stanza, 'Version')]));
    return Object.fromEntries(names.map((name) => [name, known(versions.get(name), name)]));
  }

  /** Version of a source package that would be fetched. */
  async sourceCandidate(name: string): Promise<string> {
    return known(field(await run('apt-cache', [...this.options, 'showsrc', '--only-source', name]), 'Version'), name);
  }

  /** Fetches binary packages, each given as `name=version`, into `directory`; apt checks them against its signed lists. */
  async download(packages: readonly string[], directory: string): Promise<void> {
    await run('apt-get', [...this.options, '--quiet', 'download', ...packages], { cwd: directory });
  }

  /** Fetches a source package into `directory`, likewise checked; returns its .dsc file. */
  async downloadSource(name: string, version: string, directory: string): Promise<string> {
    const args = ['--quiet', '--only-source', '--download-only', 'source', `${name}=${version}`];
    await run('apt-get', [...this.options, ...args], { cwd: directory });
    const description = (await readdir(directory)).find((file) => file.endsWith('.dsc'));
    if (description === undefined) throw new LabError(`apt-get source ${name}=${version} brought no .dsc file`);
    return join(directory, description);
  }

  /** File names of everything that an installation of `packages` on an empty system brings, without recommendations. */
  async closure(packages: readonly string[]): Promise<string[]> {
    const output = await run('apt-get', [
      ...this.options,
      '--quiet=2',
      '--yes',
      '--print-uris',
      'install',
      ...packages,
    ]);
    return closureFiles(output);
  }
}

async function digestOfLists(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of (await readdir(directory)).filter((name) => name.endsWith('InRelease')).sort()) {
    hash.update(await readFile(join(directory, file)));
  }
  return hash.digest('hex');
}

/** The file names in the output of `apt-get --print-uris`: one quoted address, file name, size and hash a line. */
export function closureFiles(output: string): string[] {
  return output.split('\n').flatMap((line) => /^'[^']+' (\S+\.deb) \d+/.exec(line)?.[1] ?? []);
}

/** `name=version` of a package file, as apt names it: `conntrack_1%3a1.4.7-1+b2_amd64.deb`. */
export function packageOfFile(file: string): string {
  const [name, version] = file.split('_');
  if (name === undefined || version === undefined) throw new LabError(`"${file}" is not the name of a package file`);
  return `${name}=${decodeURIComponent(version)}`;
}

/** The machine's sources for `codename` and its updates, binary and source packages, as lines of a sources.list. */
async function machineSources(codename: string): Promise<string> {
  const format = '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const targets = (await run('apt-get', ['indextargets', '--format', format, 'Identifier: Packages'])).split('\n');
  const lines = new Set<string>();
  for (const [origin = '', uri = '', release = '', component = ''] of targets.map((target) => target.split(' '))) {
    if (origin !== 'Debian' || !(release === codename || release.startsWith(`${codename}-`))) continue;
    for (const type of ['deb', 'deb-src']) {
      lines.add(`${type} [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} ${release} ${component}\n`);
    }
  }
  if (lines.size === 0) {
    throw new LabError(
      `this machine's apt has no package lists of Debian ${codename}, from which the mirror is built: add "${codename} main" to /etc/apt/sources.list and run apt-get update`,
    );
  }
  return [...lines].join('');
}

function field(stanza: string, name: string): string | undefined {
  return new RegExp(`^${name}: (\\S+)$`, 'm').exec(stanza)?.[1];
}

function known(version: string | undefined, name: string): string {
  if (version === undefined) throw new LabError(`apt knows no package ${name}: check the sources in /etc/apt`);
  return version;
}
