/** What each Kubernetes minor needs and refuses. What differs by version is data here, not branches elsewhere. */

export type Runtime = 'containerd' | 'docker';

/** The CIS benchmark that kube-bench has for a minor, by its name there. */
export type Benchmark = 'cis-1.20' | 'cis-1.12';

/** How Services become packets; `kube-proxy --proxy-mode`. */
export type ProxyMode = 'ipvs' | 'iptables' | 'nftables';

/** What a minor has, takes or wants; sources: release notes of each minor, and the tags of the staging repositories. */
export interface Features {
  /** `--port=0` and `--insecure-port=0` are still taken, and wanted, by the control plane (removed in 1.24). */
  readonly insecurePortFlags: boolean;
  /** The kubelet takes its runtime by flag: `--container-runtime` (removed in 1.27), the endpoint (a field since 1.27). */
  readonly runtimeByFlag: boolean;
  /** The kubelet has `--container-runtime=remote` (wanted before 1.24). */
  readonly remoteRuntimeFlag: boolean;
  /** The kubelet refuses cgroup v1 unless `failCgroupV1: false` (1.35). */
  readonly refusesCgroupV1: boolean;
  /** RuntimeDefault seccomp for every pod that names none (`seccompDefault`, beta and on in 1.25). */
  readonly seccompDefault: boolean;
  /** The admission plugin DenyServiceExternalIPs (1.21). */
  readonly denyServiceExternalIPs: boolean;
  /** `--shutdown-send-retry-after`: a stop waits for requests, and not for watches, which never end (1.22). */
  readonly shutdownRetryAfter: boolean;
  /** Pod Security admission enforces by namespace labels and defaults (beta and on in 1.23). */
  readonly podSecurity: boolean;
  /** Anonymous requests can be limited to health paths (AuthenticationConfiguration v1, 1.34). */
  readonly anonymousByPath: boolean;
  /** kube-proxy's nftables mode is stable (1.33). */
  readonly nftablesProxy: boolean;
}

export interface VersionSupport {
  readonly minor: number;
  readonly runtimes: readonly Runtime[];
  /** Why the other runtimes are not offered. */
  readonly runtimeReason: string;
  /** Version of containerd's configuration file: 2 for 1.x, 3 for 2.x. */
  readonly containerdConfig: 2 | 3;
  readonly features: Features;
  readonly benchmark: Benchmark;
  /** Where the minor's EndpointSlices are: v1 is there from 1.21, v1beta1 until 1.24. */
  readonly endpointSliceVersion: 'v1' | 'v1beta1';
  /** Whether a release of metrics-server, which serves the resource metrics API, fits the minor. */
  readonly metricsServer: boolean;
}

/** Minors of v1 that runs on real hosts have proven; deployed without {@link supportOf}'s `allowUnproven`, oldest first. */
export const provenMinors: readonly number[] = [20, 35, 36, 37];
const NEWEST = Math.max(...provenMinors);

/** Why a minor that is not proven is refused. */
function refusalOf(minor: number): string {
  if (minor < 20) return 'is older than the oldest that was ever proven';
  if (minor > NEWEST) {
    return 'is newer than any that was proven; to try it as the newest proven one, write allowUnprovenVersion: true';
  }
  return 'is past its end of life or was never deployed here, and each minor differs in flags, fields and images';
}

function supportOfMinor(minor: number): VersionSupport | undefined {
  if (!provenMinors.includes(minor) && minor <= NEWEST) return undefined;
  const modern = minor >= 24;
  return {
    minor,
    runtimes: ['containerd'],
    runtimeReason: modern
      ? 'the dockershim was removed in 1.24'
      : 'containerd 1.x speaks the CRI of every kubelet; docker needs the dockershim, which is not deployed',
    // The kubelet speaks CRI v1 from 1.26; containerd 2.x speaks nothing else.
    containerdConfig: minor >= 26 ? 3 : 2,
    features: {
      insecurePortFlags: minor < 24,
      runtimeByFlag: minor < 27,
      remoteRuntimeFlag: minor < 24,
      refusesCgroupV1: minor >= 35,
      seccompDefault: minor >= 25,
      denyServiceExternalIPs: minor >= 21,
      shutdownRetryAfter: minor >= 22,
      podSecurity: minor >= 23,
      anonymousByPath: minor >= 34,
      nftablesProxy: minor >= 33,
    },
    // 1.12 is of 1.32 to 1.34, and the newest that there is.
    benchmark: minor >= 32 ? 'cis-1.12' : 'cis-1.20',
    endpointSliceVersion: minor >= 21 ? 'v1' : 'v1beta1',
    metricsServer: modern,
  };
}

/**
 * What is known of a version.
 *
 * @param allowUnproven - takes a minor newer than every proven one for the newest of them
 * @returns the support, or why the version is refused and which ones are allowed.
 */
export function supportOf(
  version: string,
  allowUnproven = false,
): VersionSupport | { allowed: string; refusal: string } {
  const minor = minorOf(version);
  const support = supportOfMinor(minor);
  if (support !== undefined && (provenMinors.includes(minor) || allowUnproven)) return support;
  const list = provenMinors.map((m) => `v1.${m}.x`).join(', ');
  return { allowed: `a proven version: ${list}`, refusal: `deploy one of ${list}: ${version} ${refusalOf(minor)}` };
}

/** {@link supportOf} for a validated spec, whose version is known to be supported. */
export function requireSupport(version: string): VersionSupport {
  const support = supportOfMinor(minorOf(version));
  if (support === undefined) throw new RangeError(`kubernetes ${version}: ${refusalOf(minorOf(version))}`);
  return support;
}

function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}
