import { constants } from 'node:fs';
import { access, chmod, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { type AptSource, parseDeb822, parseSourcesList, releaseSource, sourcesListFor } from './apt-sources.js';
import { type BaseRecipe, baseImageName, baseRecipe } from './base-recipe.js';
import { LabError } from './errors.js';
import { withLock } from './lock.js';
import { withProgress } from './progress.js';

/**
 * Path of the base image that all hosts share: the cached one, or one built now with debootstrap from the archive that
 * the machine's own apt uses, its signature checked.
 * @param cache directory of images; downloaded packages are kept beside them, so a build that died starts near its end
 * @throws LabError if the machine has no apt source for its own release
 */
export async function ensureBaseImage(cache: string): Promise<string> {
  const { distribution, codename } = await machineRelease();
  const { stdout: architecture } = await execa('dpkg', ['--print-architecture']);
  const recipe = baseRecipe(codename, architecture);
  const image = join(cache, baseImageName(recipe));
  await withLock('base-image', async () => {
    if (await exists(image)) return;
    await buildImage(image, recipe, distribution, await machineSources());
  });
  return image;
}

async function buildImage(
  image: string,
  recipe: BaseRecipe,
  distribution: string,
  sources: readonly AptSource[],
): Promise<void> {
  const source = releaseSource(sources, recipe.suite);
  if (source === undefined) {
    throw new LabError(
      `no apt source of this machine serves "${recipe.suite} main" over http or https with its signature checked: add one to /etc/apt/sources.list (the base image is built from it)`,
    );
  }
  const keyring = source.signedBy ?? `/usr/share/keyrings/${distribution}-archive-keyring.gpg`;
  if (!(await exists(keyring))) {
    throw new LabError(`the key ring ${keyring} does not exist: apt-get install ${distribution}-archive-keyring`);
  }
  const partial = `${image}.partial`;
  const packages = join(dirname(image), 'packages');
  await removeTree(partial);
  await mkdir(packages, { recursive: true });
  let latest = '';
  const build = async (): Promise<void> => {
    await debootstrap(recipe, source.uri, keyring, packages, partial, (line) => (latest = line));
    await customise(partial, recipe, sourcesListFor(sources, recipe.suite));
    // The rename must not reach the disk before the files do: a cached image is trusted for ever.
    await execa('sync', ['--file-system', partial]);
    await rename(partial, image);
  };
  await withProgress('base image', build, { everySeconds: 5, detail: () => latest });
}

/**
 * Runs debootstrap in mount and process namespaces that end with this process, so that a tool that is killed leaves
 * neither a running chroot nor a mounted /proc or /sys behind.
 */
async function debootstrap(
  recipe: BaseRecipe,
  mirror: string,
  keyring: string,
  packages: string,
  target: string,
  onLine: (line: string) => void,
): Promise<void> {
  const run = execa(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      ...['debootstrap', '--variant=minbase', `--arch=${recipe.architecture}`, `--cache-dir=${packages}`],
      ...['--force-check-gpg', `--keyring=${keyring}`, `--include=${recipe.packages.join(',')}`],
      ...[recipe.suite, target, mirror],
    ],
    { stdin: 'ignore', all: true, buffer: false, env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' } },
  );
  const tail: string[] = [];
  for await (const line of run.iterable({ from: 'all' })) {
    onLine(line);
    tail.push(line);
    if (tail.length > 20) tail.shift();
  }
  try {
    await run;
  } catch (error) {
    throw new LabError(`debootstrap failed; its last lines:\n${tail.join('\n')}`, { cause: error });
  }
}

/** Puts the recipe's own files into the tree, and takes out what must differ between hosts. */
async function customise(tree: string, recipe: BaseRecipe, sourcesList: string): Promise<void> {
  const inTree = (path: string): string => join(tree, path);
  const sshDirectory = inTree('etc/ssh');
  const hostKeys = (await readdir(sshDirectory)).filter((name) => name.startsWith('ssh_host_'));
  for (const path of [
    ...hostKeys.map((name) => join(sshDirectory, name)),
    ...['etc/hostname', 'etc/machine-id', 'var/lib/dbus/machine-id', 'var/log/bootstrap.log'].map(inTree),
    ...['var/lib/apt/lists', 'var/cache/apt/archives'].map(inTree),
  ]) {
    await rm(path, { recursive: true, force: true });
  }
  const masks = recipe.maskedUnits.map((unit) => ({ path: `/etc/systemd/system/${unit}`, link: '/dev/null' }));
  for (const file of [...recipe.files, ...masks, { path: '/etc/apt/sources.list', content: sourcesList }]) {
    const path = inTree(file.path);
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    if ('link' in file) {
      await symlink(file.link, path);
    } else {
      await writeFile(path, file.content);
      await chmod(path, ('mode' in file ? file.mode : undefined) ?? 0o644);
    }
  }
}

/** Distribution and release of this machine, from os-release(5); hosts are of the same. */
async function machineRelease(): Promise<{ distribution: string; codename: string }> {
  const text = await readFile('/etc/os-release', 'utf8');
  const field = (name: string): string | undefined => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1];
  const [distribution, codename] = [field('ID'), field('VERSION_CODENAME')];
  if (distribution === undefined || codename === undefined) {
    throw new LabError('the lab needs Debian or Ubuntu: /etc/os-release names no ID and VERSION_CODENAME');
  }
  return { distribution, codename };
}

async function machineSources(): Promise<AptSource[]> {
  const parts = '/etc/apt/sources.list.d';
  const files = (await exists(parts)) ? (await readdir(parts)).sort().map((name) => join(parts, name)) : [];
  const read = async (file: string): Promise<string> => ((await exists(file)) ? readFile(file, 'utf8') : '');
  const sources = [parseSourcesList(await read('/etc/apt/sources.list'))];
  for (const file of files) {
    if (file.endsWith('.list')) sources.push(parseSourcesList(await read(file)));
    if (file.endsWith('.sources')) sources.push(parseDeb822(await read(file)));
  }
  return sources.flat();
}

/** Never crosses into another file system: a mount left in the tree is not the lab's to empty. */
async function removeTree(path: string): Promise<void> {
  await execa('rm', ['--recursive', '--force', '--one-file-system', path]);
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
