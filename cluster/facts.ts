/**
 * What a host is, as far as desired state depends on it. Read afresh by every activity that needs it: a host may be
 * reinstalled between two steps.
 */
export interface HostFacts {
  /** `ID-VERSION_ID` of /etc/os-release, e.g. `debian-12`. */
  readonly distribution: string;
  /** `uname -m`, e.g. `x86_64`. */
  readonly machine: string;
  /** The resolver file with real upstream servers: a stub on the host would send the DNS of pods in a circle. */
  readonly resolvConf: string;
  /** Whether the kernel can do IPVS. */
  readonly ipvs: boolean;
  /** Whether the kernel can do what kube-proxy wants of nftables: nf_tables, in 5.13 or newer. */
  readonly nftables: boolean;
  /** Version of the control groups that systemd uses. */
  readonly cgroup: 'v1' | 'v2';
  /** The service other than chrony that keeps the clock, e.g. `systemd-timesyncd`; absent where none runs. */
  readonly timeService?: string;
}

/**
 * Shell that prints the facts as `key value` lines, and a line `nameserver ADDRESS` for each that pods will ask; one round
 * trip. A resolver file will do if it names servers, and none of them on the host itself, where a pod would not find it:
 * /etc/resolv.conf, or else what systemd-resolved asks in its place.
 *
 * @param root - a directory in the place of `/`, for tests
 */
export function factsScript(root = ''): string {
  return `
servers() { sed -n 's/^[[:space:]]*nameserver[[:space:]]\\{1,\\}\\([^[:space:]]*\\).*/\\1/p' "${root}$1" 2>/dev/null; }
upstream() { [ -n "$(servers "$1")" ] && ! servers "$1" | grep -q '^127\\.\\|^::1$\\|^0\\.0\\.0\\.0$'; }
. ${root}/etc/os-release
echo "distribution $ID-$VERSION_ID"
echo "machine $(uname -m)"
resolv=/etc/resolv.conf
upstream "$resolv" || ! upstream /run/systemd/resolve/resolv.conf || resolv=/run/systemd/resolve/resolv.conf
echo "resolvConf $resolv"
servers "$resolv" | sed 's/^/nameserver /'
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then echo "cgroup v2"; else echo "cgroup v1"; fi
# Built into the kernel, a feature shows among its symbols alone.
if printf '5.13\\n%s\\n' "$(uname -r)" | sort -CV &&
  { grep -q ' nft_register_expr$' /proc/kallsyms || modprobe -n -q nf_tables 2>/dev/null; }; then echo "nftables true"
else echo "nftables false"; fi
for service in systemd-timesyncd ntpsec ntp openntpd; do
  ! systemctl -q is-active "$service.service" 2>/dev/null || { echo "timeService $service"; break; }
done
if [ -e /proc/net/ip_vs ] || modprobe -n -q ip_vs 2>/dev/null; then echo "ipvs true"; else echo "ipvs false"; fi
`;
}

/** Reads what {@link factsScript} printed; throws if a fact is missing. */
export function parseFacts(output: string): HostFacts {
  const facts = new Map(
    output
      .split('\n')
      .filter((line) => line.includes(' '))
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
  const fact = (key: string): string => {
    const value = facts.get(key);
    if (value === undefined) throw new Error(`the host did not report its ${key}`);
    return value;
  };
  const timeService = facts.get('timeService');
  return {
    distribution: fact('distribution'),
    machine: fact('machine'),
    resolvConf: fact('resolvConf'),
    ipvs: fact('ipvs') === 'true',
    nftables: fact('nftables') === 'true',
    cgroup: fact('cgroup') === 'v2' ? 'v2' : 'v1',
    ...(timeService === undefined ? {} : { timeService }),
  };
}
