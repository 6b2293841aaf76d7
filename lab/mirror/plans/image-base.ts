import type { DebianPackages, Image, RootfsPart, Source, SourceFile } from '../plan.js';

/** What images stand on where upstream's stand on Alpine or Debian: busybox, and Debian's packages. */

const busybox: DebianPackages = { kind: 'debian-packages', packages: ['busybox-static'] };
export const busyboxProgram: SourceFile = { source: 'busybox', path: 'bin/busybox' };

export const systemPath: readonly string[] = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

/** The sources that the parts here take files from. */
export const baseSources: Readonly<Record<string, Source>> = {
  busybox,
  // What agnhost's Dockerfile installs, and what the scripts of the DNS tests call.
  'network-tools': {
    kind: 'debian-packages',
    closure: true,
    packages: [
      ...['bash', 'bind9-dnsutils', 'curl', 'iperf', 'iproute2', 'libc-bin', 'netcat-openbsd', 'socat'],
      'util-linux',
    ],
  },
};

/** Accounts and name look-up as in upstream's images; agnhost's own test users are those of its Dockerfile. */
export const accounts: readonly RootfsPart[] = [
  {
    kind: 'text',
    to: 'etc/passwd',
    mode: 0o644,
    text: [
      'root:x:0:0:root:/root:/bin/sh',
      'user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh',
      'nobody:x:65534:65534:nobody:/:/bin/false',
      '',
    ].join('\n'),
  },
  {
    kind: 'text',
    to: 'etc/group',
    mode: 0o644,
    text: [
      'root:x:0:',
      'user-defined-in-image:x:1000:',
      'group-defined-in-image:x:50000:user-defined-in-image',
      'nogroup:x:65534:',
      '',
    ].join('\n'),
  },
  { kind: 'text', to: 'etc/nsswitch.conf', mode: 0o644, text: 'passwd: files\ngroup: files\nhosts: files dns\n' },
];

/** bash, dig, curl, ss, nc, socat and iperf of Debian, and busybox for the rest. */
export const networkTools: readonly RootfsPart[] = [
  { kind: 'tree', source: 'network-tools', exclude: '^(usr/share|usr/lib/x86_64-linux-gnu/(gconv|perl)|etc|var)/' },
  ...accounts,
  { kind: 'symlink', to: 'bin/sh', target: 'bash' },
  // Debian chooses among several programs of that name when it installs one.
  { kind: 'symlink', to: 'bin/nc', target: 'nc.openbsd' },
  { kind: 'busybox', from: busyboxProgram },
];

/** Files of Kubernetes' module that {@link agnhostImage} takes beside the program. */
export const agnhostFiles = ['test/images/agnhost/porter'];

/**
 * An image after agnhost's Dockerfile, without CoreDNS and the registry of its own that no conformance test uses.
 *
 * @param source what has the program `agnhost` and {@link agnhostFiles}
 * @param files further files of that source, to stand at the root
 */
export function agnhostImage(source: string, command: string, files: readonly string[] = []): Image {
  const keys = ['localhost.crt', 'localhost.key'].map((name) => `test/images/agnhost/porter/${name}`);
  return {
    config: { Entrypoint: ['/agnhost'], Cmd: [command], Env: systemPath },
    rootfs: [
      ...networkTools,
      { kind: 'file', from: { source, path: 'agnhost' }, to: 'agnhost' },
      { kind: 'symlink', to: 'agnhost-2', target: 'agnhost' },
      { kind: 'directory', to: 'uploads', mode: 0o755 },
      ...[...keys, ...files].map((path) => ({
        kind: 'file' as const,
        from: { source, path },
        to: path.slice(path.lastIndexOf('/') + 1),
        mode: 0o644,
      })),
    ],
  };
}
