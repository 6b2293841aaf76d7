import { z } from 'zod';
import type { ClusterSpec } from './spec.js';

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

/** Every image that a cluster is deployed with, by what it is. */
export const imageNames = ['pause', 'coredns', 'flannel', 'metrics-server', 'agnhost'] as const;
export type ImageName = (typeof imageNames)[number];

const imageSchema = z
  .strictObject({
    name: z.enum(imageNames),
    /** Reference as pods name it; with its digest where hosts pull. */
    reference: z
      .string()
      .regex(/^[a-z0-9.-]+(\/[a-z0-9._-]+)+:[\w.-]+(@sha256:[0-9a-f]{64})?$/, 'an image is HOST/PATH:TAG'),
    /** Name of the artifact that is its docker-archive, for hosts without a registry. */
    artifact: z.string().optional(),
  })
  .refine(
    ({ reference, artifact }) => reference.includes('@sha256:') === (artifact === undefined),
    'an image is pinned by @sha256:DIGEST, or comes from an artifact, which is pinned itself',
  );

export const artifactLockSchema = z.strictObject({
  /** The Kubernetes version that this set of artifacts builds, e.g. `v1.20.2`. */
  kubernetes: z.string(),
  artifacts: z.array(artifactSchema),
  /** What runs in pods. A tag alone is nobody's pin: whoever holds the registry moves it. */
  images: z.array(imageSchema).default([]),
  /** Distribution packages for hosts without a package source; absent where hosts install online. */
  packages: z.array(packageSetSchema).default([]),
});

export type Artifact = z.infer<typeof artifactSchema>;
export type PackageSet = z.infer<typeof packageSetSchema>;
export type ArtifactLock = z.infer<typeof artifactLockSchema>;

/**
 * The reference of an image, as pods and the runtime's configuration name it.
 *
 * @throws RangeError if the lock file has none of that name
 */
export function imageReference(
  { kubernetes, images }: Pick<ArtifactLock, 'kubernetes' | 'images'>,
  name: ImageName,
): string {
  const image = images.find((candidate) => candidate.name === name);
  if (image === undefined) throw new RangeError(`the artifact lock for ${kubernetes} has no image ${name}`);
  return image.reference;
}

/** A spec, and the artifacts that it is deployed with. */
export interface Description {
  readonly spec: ClusterSpec;
  readonly lock: ArtifactLock;
}

/** Where an artifact of the official layout stands inside a mirror, e.g. `dl.k8s.io/v1.20.2/kubernetes-server-linux-amd64.tar.gz`. */
export function mirrorPath(artifact: Pick<Artifact, 'url'>): string {
  const { host, pathname } = new URL(artifact.url);
  return host + pathname;
}
