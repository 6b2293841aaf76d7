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
    ...(options.startTimeoutSeconds === undefined ? [] : [`TimeoutStartSec=${options.startTimeoutSeconds}`]),
    ...(options.service ?? []),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
  return { path: unitPath(name), mode: 0o644, owner: 'root:root', content: { kind: 'text', text } };
}

/** Where units of the deployer stand; the distribution's own are under /lib. */
export function unitPath(name: string): string {
  return `/etc/systemd/system/${name}`;
}
