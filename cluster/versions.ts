/** What each Kubernetes minor needs and refuses. What differs by version is data here, not branches elsewhere. */

export type Runtime = 'containerd' | 'docker';

export interface VersionSupport {
  readonly minor: number;
  readonly runtimes: readonly Runtime[];
  /** Why the other runtimes are not offered. */
  readonly runtimeReason: string;
  /** Reference of the pause image, the sandbox of every pod. */
  readonly pauseImage: string;
  readonly corednsImage: string;
  readonly flannelImage: string;
  /** The seed's test application: a web server with busybox's wget and nslookup beside it. */
  readonly checkImage: string;
}

const minors: Readonly<Record<number, Omit<VersionSupport, 'minor'>>> = {
  20: {
    runtimes: ['containerd'],
    runtimeReason:
      'containerd 1.x speaks the CRI of every kubelet; docker needs the dockershim, which is not deployed yet',
    pauseImage: 'registry.k8s.io/pause:3.2',
    corednsImage: 'registry.k8s.io/coredns:1.7.0',
    flannelImage: 'ghcr.io/flannel-io/flannel:v0.28.10',
    checkImage: 'docker.io/ikubernetes/myapp:v1',
  },
};

/**
 * What is known of a version.
 *
 * @returns the support, or why the version is refused and which ones are allowed.
 */
export function supportOf(version: string): VersionSupport | { allowed: string; refusal: string } {
  const minor = Number(version.split('.')[1]);
  const known = minors[minor];
  if (known !== undefined) return { minor, ...known };
  const proven = Object.keys(minors)
    .map((m) => `v1.${m}.x`)
    .join(', ');
  return { allowed: `a proven version: ${proven}`, refusal: `deploy one of ${proven}; no run has proven ${version}` };
}

/** {@link supportOf} for a validated spec, whose version is known to be supported. */
export function requireSupport(version: string): VersionSupport {
  const support = supportOf(version);
  if ('refusal' in support) throw new RangeError(`kubernetes ${version}: ${support.refusal}`);
  return support;
}
