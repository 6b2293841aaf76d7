import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 is 64 lower-case hexadecimal digits');
const sha512 = z.string().regex(/^[0-9a-f]{128}$/, 'a sha512 is 128 lower-case hexadecimal digits');

/** One downloadable file of an official release (or of a mirror of the same layout). */
const artifactSchema = z
  .strictObject({
    /** Unique in the lock file; components refer to it, e.g. `kubernetes-server`. */
    name: z.string().min(1),
    version: z.string().min(1),
    arch: z.enum(['amd64', 'arm64']),
    /** Official address. In a mirror the file stands under `<mirror>/<host>/<path>` of it. */
    url: z.url(),
    sha256: sha256.optional(),
    /** Where a project publishes only sha512 (Kubernetes' CHANGELOG for its tarballs). */
    sha512: sha512.optional(),
    /** Bytes. A source that gives more is not read to its end; where it is not known, see the bound in source.ts. */
    size: z.int().positive().optional(),
    /** `oci-image`: the manifest list of an image, whose last layer is the archive. */
    format: z.enum(['file', 'tar.gz', 'oci-image']),
  })
  .refine((a) => a.sha256 !== undefined || a.sha512 !== undefined, 'an artifact is pinned by sha256 or sha512');

const packageSetSchema = z.strictObject({
  /** `ID-VERSION_ID` of /etc/os-release, e.g. `debian-12`. */
  distribution: z.string(),
  arch: z.enum(['amd64', 'arm64']),
  /** The package asked for; its files are the closure over a bare cloud image. */
  name: z.string(),
  files: z.array(z.strictObject({ path: z.string(), sha256 })),
});

const imageSchema = z.strictObject({
  /** Reference as pods name it. */
  reference: z.string(),
  /** Name of the artifact that is its docker-archive. */
  artifact: z.string(),
});

export const artifactLockSchema = z.strictObject({
  /** The Kubernetes version that this set of artifacts builds, e.g. `v1.20.2`. */
  kubernetes: z.string(),
  artifacts: z.array(artifactSchema),
  /** Image archives for hosts without a registry; absent where hosts pull. */
  images: z.array(imageSchema).default([]),
  /** Distribution packages for hosts without a package source; absent where hosts install online. */
  packages: z.array(packageSetSchema).default([]),
});

export type Artifact = z.infer<typeof artifactSchema>;
export type PackageSet = z.infer<typeof packageSetSchema>;
export type ArtifactLock = z.infer<typeof artifactLockSchema>;

/** Where an artifact of the official layout stands inside a mirror, e.g. `dl.k8s.io/v1.20.2/kubernetes-server-linux-amd64.tar.gz`. */
export function mirrorPath(artifact: Pick<Artifact, 'url'>): string {
  const { host, pathname } = new URL(artifact.url);
  return host + pathname;
}
