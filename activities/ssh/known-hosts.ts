import { createHash, createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** A host key as a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") or a server gives it. */
export interface HostKey {
  /** Key type, e.g. `ssh-ed25519`. */
  readonly type: string;
  readonly blob: Buffer;
}

export interface KnownHostKey extends HostKey {
  readonly revoked: boolean;
}

export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked';

/** Signature algorithms by key type, in the order in which we want to be shown a key of a host that is new to us. */
const algorithmsByKeyType: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** The name under which OpenSSH files a host: the bare address on port 22, `[address]:port` elsewhere. */
export function knownHostsName(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`;
}

/**
 * The keys that `text`, the content of a known_hosts file, gives for `name`, matched as OpenSSH does: names, patterns with
 * `*`, `?` and `!`, and hashed names (`|1|salt|hash`). Certificate authorities are passed over, as this tool asks for
 * plain keys.
 */
export function knownKeysOf(text: string, name: string): KnownHostKey[] {
  const keys: KnownHostKey[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/[ \t]+/);
    if (fields[0] === '' || fields[0]?.startsWith('#')) continue;
    const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined;
    const [hosts, type, base64] = fields;
    if (hosts === undefined || type === undefined || base64 === undefined) continue;
    if (marker !== undefined && marker !== '@revoked') continue;
    if (hostsMatch(hosts, name)) {
      keys.push({ type, blob: Buffer.from(base64, 'base64'), revoked: marker === '@revoked' });
    }
  }
  return keys;
}

/** match_hostname() and match_maybe_hashed() of OpenSSH; a negated pattern that matches decides. */
function hostsMatch(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return hashedNameMatches(hosts, name);
  const patterns = hosts.split(',');
  const matches = (pattern: string): boolean => patternOf(pattern).test(name);
  return (
    patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))
  );
}

function hashedNameMatches(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

function patternOf(pattern: string): RegExp {
  const body = pattern
    .replaceAll(/[^*?\w]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${body}$`, 'is');
}

/**
 * What the content of a known_hosts file says of a key that a host showed. As for OpenSSH, a key that is filed under the
 * address alone counts for other ports than 22, too, unless there is one for this port.
 */
export function judgeHostKey(text: string, address: string, port: number, seen: HostKey): HostKeyVerdict {
  const verdict = judge(knownKeysOf(text, knownHostsName(address, port)), seen);
  if (verdict !== 'unknown' || port === 22) return verdict;
  const withoutPort = judge(knownKeysOf(text, address), seen);
  return withoutPort === 'changed' ? 'unknown' : withoutPort;
}

function judge(known: readonly KnownHostKey[], seen: HostKey): HostKeyVerdict {
  const same = known.filter((key) => key.blob.equals(seen.blob));
  if (same.some((key) => key.revoked)) return 'revoked';
  if (same.length > 0) return 'known';
  return known.every((key) => key.revoked) ? 'unknown' : 'changed';
}

/**
 * Algorithms to offer, limited to the key types known for the host. Otherwise a server with several keys may show one
 * that we never saw, which would look like an attack.
 */
export function hostKeyAlgorithms(known: readonly KnownHostKey[]): string[] {
  const types = new Set(known.filter((key) => !key.revoked).map((key) => key.type));
  return Object.entries(algorithmsByKeyType)
    .filter(([type]) => types.size === 0 || types.has(type))
    .flatMap(([, algorithms]) => algorithms);
}

/** Reads a key in SSH wire format, which starts with its own type (RFC 4253, section 6.6). */
export function hostKeyFromBlob(blob: Buffer): HostKey {
  return { type: blob.toString('latin1', 4, 4 + blob.readUInt32BE(0)), blob };
}

/** The fingerprint as `ssh-keygen -l` prints it. */
export function fingerprint(key: HostKey): string {
  return `SHA256:${createHash('sha256').update(key.blob).digest('base64').replace(/=+$/, '')}`;
}

/** The content of a known_hosts file; a missing file knows nobody. */
export async function readKnownHosts(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
