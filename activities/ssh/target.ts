/** How to reach one host, and how to know that it is the right one. */
export interface SshTarget {
  /** The host's name in the spec; every error starts with it. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Private key in OpenSSH or PEM format, without a passphrase; read at every connect, so that it can be replaced. */
  readonly identityFile: string;
  readonly knownHostsFile: string;
  /** `accept-new` records the key of a host that was never seen; a changed key is refused either way. */
  readonly hostKeys: 'strict' | 'accept-new';
  /** Commands run through `sudo -n`; for a user other than root. */
  readonly sudo?: boolean;
}
