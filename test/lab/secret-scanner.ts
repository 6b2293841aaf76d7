import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secretsIn } from '../../activities/secret-shapes.js';

/** Names of events look the same, with a hexadecimal time behind the dot (`node01.187a2c...`). */
const bootstrapToken = /\b[a-z0-9]{6}\.(?![0-9a-f]{16}\b)[a-z0-9]{16}\b/;

/** Knows every key of a run by its bytes, and the shape of what it does not know; never tells a secret, only its name. */
export class SecretScanner {
  private constructor(private readonly known: ReadonlyMap<string, string>) {}

  /** Learns the private keys of files and directories: their lines, and themselves as kubeconfigs hold them. */
  static async knowing(paths: readonly string[]): Promise<SecretScanner> {
    const known = new Map<string, string>();
    for (const { path } of (await Promise.all(paths.map((path) => filesBelow(path)))).flat()) {
      const text = await readFile(path, 'latin1');
      for (const [key] of text.matchAll(
        /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
      )) {
        for (const line of key.split('\n')) if (line.length > 40 && !line.startsWith('-----')) known.set(line, path);
        known.set(Buffer.from(key).toString('base64').slice(60, 120), path);
      }
    }
    return new SecretScanner(known);
  }

  get size(): number {
    return this.known.size;
  }

  /** Names of the secrets in a text. */
  find(text: string): string[] {
    return [
      ...secretsIn(text),
      ...(bootstrapToken.test(text) ? ['a bootstrap token'] : []),
      ...new Set([...this.known].flatMap(([bytes, path]) => (text.includes(bytes) ? [path] : []))),
    ];
  }
}

/** Files and directories of a tree that somebody else than their owner may touch in any way. */
export async function openToOthers(directory: string): Promise<string[]> {
  return (await filesBelow(directory, true)).filter(({ mode }) => (mode & 0o077) !== 0).map(({ path }) => path);
}

/**
 * A command for a host: prints every file with a key or token that its owner does not have alone. Service account
 * tokens in pods' volumes are the kubelet's, and readable by their pods.
 */
export const exposedSecretFiles = [
  'find /etc /var /usr/local /opt /root /home /tmp /run -xdev -type f -size -512k -perm /077',
  "-not -path '/var/lib/kubelet/pods/*' -not -path '/var/lib/containerd/*' -not -path '/run/containerd/*'",
  "-exec grep -lE -e '-----BEGIN [A-Z ]*PRIVATE KEY-----' -e 'client-key-data: *[A-Za-z0-9+/=]{40}' -e '(^|[^a-z0-9])[a-z0-9]{6}[.][a-z0-9]{16}([^a-z0-9]|$)' {} + || true",
].join(' ');

/** A command for a host: prints every command line that it sees in the given time, each once. */
export function commandLines(seconds: number): string {
  const look = [
    '$| = 1; my $end = time + shift;',
    'while (time < $end) {',
    'for my $f (glob "/proc/[0-9]*/cmdline") {',
    'open my $h, "<", $f or next; local $/; my $c = <$h> // next; $c =~ tr/\\0/ /; print "$c\\n" unless $c eq "" || $seen{$c}++;',
    '}',
    'select undef, undef, undef, 0.3;',
    '}',
  ].join(' ');
  return `perl -e '${look}' ${seconds}`;
}

async function filesBelow(path: string, withDirectories = false): Promise<{ path: string; mode: number }[]> {
  const { mode, isDirectory } = await lstat(path).then((stats) => ({
    mode: stats.mode,
    isDirectory: stats.isDirectory(),
  }));
  if (!isDirectory) return [{ path, mode }];
  const names = await readdir(path);
  const below = await Promise.all(names.map((name) => filesBelow(join(path, name), withDirectories)));
  return [...(withDirectories ? [{ path, mode }] : []), ...below.flat()];
}
