/** How ssh2 names what two sides negotiate, how its log does, and where sshd_config(5) has it. */
const negotiated = [
  { what: 'key exchange algorithm', logged: 'KEX method', setting: 'KexAlgorithms', ours: 'curve25519-sha256' },
  { what: 'host key format', logged: 'Host key format', setting: 'HostKeyAlgorithms', ours: 'ssh-ed25519' },
  { what: 'C->S cipher', logged: 'C->S cipher', setting: 'Ciphers', ours: 'aes128-gcm@openssh.com' },
  { what: 'S->C cipher', logged: 'S->C cipher', setting: 'Ciphers', ours: 'aes128-gcm@openssh.com' },
  { what: 'C->S MAC', logged: 'C->S MAC', setting: 'MACs', ours: 'hmac-sha2-256-etm@openssh.com' },
  { what: 'S->C MAC', logged: 'S->C MAC', setting: 'MACs', ours: 'hmac-sha2-256-etm@openssh.com' },
] as const;

/** Announcements in the list of key exchange algorithms that are none. */
const extensions = /^(ext-info|kex-strict)-/;

/** What a host offers to negotiate, which ssh2 tells in its log only. */
export class OfferedAlgorithms {
  private readonly offered = new Map<string, string>();

  /** @param message - a line of ssh2's log */
  listen(message: string): void {
    const [, logged, names] = /^Handshake: \(remote\) ([^:]+): (.*)$/.exec(message) ?? [];
    if (logged !== undefined && names !== undefined) this.offered.set(logged, names);
  }

  /** What an error of ssh2 says that the two sides do not have in common, with the fix; undefined for other errors. */
  mismatch(error: string): string | undefined {
    const missing = negotiated.find(({ what }) => error.endsWith(`no matching ${what}`));
    if (missing === undefined) return undefined;
    const names = this.offered.get(missing.logged)?.split(',') ?? [];
    const offers = names.filter((name) => !extensions.test(name)).join(', ');
    return `have no ${missing.what} in common; the host offers ${offers || 'none'}; add ${missing.ours} to ${missing.setting} in its sshd_config`;
  }
}
