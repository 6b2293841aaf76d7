import type { DesiredFile } from '../desired-state.js';

export interface UnitOptions {
  readonly description: string;
  readonly documentation: string;
  readonly after?: readonly string[];
  readonly user?: string;
  /** `notify`: the program tells systemd when it is ready; `simple`: it is ready when it runs. */
  readonly type: 'notify' | 'simple';
  readonly command: string;
  /** One flag a line, as `name: value`, in the order given. */
  readonly flags: Readonly<Record<string, string>>;
  readonly startTimeoutSeconds?: number;
  /**
   * Files of root alone that the program reads as copies of its own, which systemd makes at each start; flags name them
   * by {@link credential} (LoadCredential, systemd 247).
   */
  readonly credentials?: readonly string[];
  /** Further lines of the [Service] section. */
  readonly service?: readonly string[];
}

/**
 * A systemd unit with its whole command line in it: what runs can be read in one place, and `ps` shows what CIS
 * benchmarks look for (kubernetes-versions, section 7).
 */
export function unitFile(name: string, options: UnitOptions): DesiredFile {
  const flags = Object.entries(options.flags).map(([flag, value]) => `  --${flag}=${value}`);
  const text = [
    '[Unit]',
    `Description=${options.description}`,
    `Documentation=${options.documentation}`,
    `After=${['network-online.target', ...(options.after ?? [])].join(' ')}`,
    'Wants=network-online.target',
    // A member that waits for its peers after a power cut must keep trying for as long as it takes.
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    `Type=${options.type}`,
    ...(options.user === undefined ? [] : [`User=${options.user}`]),
    `ExecStart=${[options.command, ...flags].join(' \\\n')}`,
    'Restart=always',
    'RestartSec=2',
    'LimitNOFILE=1048576',
    ...(options.credentials ?? []).map((path) => `LoadCredential=${basename(path)}:${path}`),
    ...(options.startTimeoutSeconds === undefined ? [] : [`TimeoutStartSec=${options.startTimeoutSeconds}`]),
    ...(options.service ?? []),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
  return { path: unitPath(name), mode: 0o600, owner: 'root:root', content: { kind: 'text', text } };
}

/** The unit's own copy of a file in its `credentials`. */
export function credential(path: string): string {
  return `\${CREDENTIALS_DIRECTORY}/${basename(path)}`;
}

/**
 * What a program that needs no privilege at all may still do: compute, talk over the network, and write below `writes`
 * (docs/hardening.md has the cost of each line).
 */
export function sandbox(writes: readonly string[]): string[] {
  return [
    ...confined(writes),
    'CapabilityBoundingSet=',
    'PrivateDevices=yes',
    'ProtectProc=invisible',
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectControlGroups=yes',
    'RestrictNamespaces=yes',
    'SystemCallArchitectures=native',
    'SystemCallFilter=@system-service',
    'UMask=0077',
  ];
}

/** The part of {@link sandbox} that a program can bear which works on the network of its host. */
export function confined(writes: readonly string[]): string[] {
  return [
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    ...(writes.length === 0 ? [] : [`ReadWritePaths=${writes.join(' ')}`]),
    'ProtectHome=yes',
    'PrivateTmp=yes',
    'ProtectKernelLogs=yes',
    'ProtectClock=yes',
    'RestrictSUIDSGID=yes',
    'RestrictRealtime=yes',
    'LockPersonality=yes',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  ];
}

/** Where units of the deployer stand; the distribution's own are under /lib. */
export function unitPath(name: string): string {
  return `/etc/systemd/system/${name}`;
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
