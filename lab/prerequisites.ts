import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.js';

/** Commands that the lab runs, and the Debian or Ubuntu package of each. */
const commands = [
  ['debootstrap', 'debootstrap'],
  ['gpgv', 'gpgv'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['nsenter', 'util-linux'],
  ['ping', 'iputils-ping'],
  ['ssh', 'openssh-client'],
  ['ssh-keygen', 'openssh-client'],
  ['systemd-nspawn', 'systemd-container'],
] as const;

/** Packages that the lab needs and this machine lacks. */
export async function missingPackages(path = process.env['PATH'] ?? ''): Promise<string[]> {
  const missing = new Set<string>();
  for (const [command, packageName] of commands) {
    const found = await Promise.all(
      path.split(':').map((directory) =>
        access(join(directory, command), constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
    );
    if (!found.includes(true)) missing.add(packageName);
  }
  return [...missing].sort();
}

/** The command that installs `packages`. */
export function installCommand(packages: readonly string[]): string {
  return `apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
}

/** @throws LabError if the tool does not run as root or a package is missing, with the command that helps */
export async function requirePrerequisites(): Promise<void> {
  if (process.geteuid?.() !== 0) throw new LabError('the lab makes namespaces and mounts: run it as root (sudo)');
  const missing = await missingPackages();
  if (missing.length > 0) {
    throw new LabError(`the lab needs packages that this machine lacks: ${installCommand(missing)}`);
  }
}
