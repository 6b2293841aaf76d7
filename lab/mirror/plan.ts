import type { Artifact, ImageName } from '../../cluster/artifacts.js';

/**
 * What the mirror of one Kubernetes version holds and where each part comes from: data only, so that another version
 * is another file in `plans/`.
 */
export interface MirrorPlan {
  /** e.g. `v1.20.2`. */
  readonly kubernetes: string;
  /** Where bytes come from, by a name that artifacts and other sources refer to. */
  readonly sources: Readonly<Record<string, Source>>;
  readonly artifacts: readonly ArtifactPlan[];
  /** Packages of the distribution that hosts without a package source get, each with its closure. */
  readonly packages: readonly string[];
}

export type Source = DebianPackages | KubernetesSource | KubernetesPrograms | GoModule | StaticProgram;

/** The files of binary packages, unpacked over each other. */
export interface DebianPackages {
  readonly kind: 'debian-packages';
  readonly packages: readonly string[];
  /** With everything that they depend on. */
  readonly closure?: true;
  /** Upstream version that the first package must have, as the artifact's name promises it. */
  readonly upstream?: string;
}

/** Debian's source package of Kubernetes, made complete: the code that upstream generates at build time is added. */
export interface KubernetesSource {
  readonly kind: 'kubernetes-source';
  readonly package: string;
  /** What Debian's version must contain. */
  readonly upstream: string;
  /** Vendored modules that are replaced, with the version that takes their place. */
  readonly vendor: Readonly<Record<string, string>>;
  /** Debian's Go whose compiler the source is built with, e.g. `1.19`. */
  readonly go: string;
}

/** Programs out of a {@link KubernetesSource}. */
export interface KubernetesPrograms {
  readonly kind: 'kubernetes-programs';
  readonly source: string;
  readonly version: string;
  readonly go: string;
  readonly programs: readonly string[];
}

/** Programs out of a module of the Go registry. */
export interface GoModule {
  readonly kind: 'go-module';
  readonly module: string;
  readonly version: string;
  /** Go that compiles it, exactly, e.g. `1.26.8`. */
  readonly go: string;
  /** Output name -> package inside the module. */
  readonly programs: Readonly<Record<string, string>>;
  /** Output name -> package whose tests become a program. */
  readonly tests?: Readonly<Record<string, string>>;
  /** Files and directories of the module that stand in the output too, under the same path. */
  readonly copy?: readonly string[];
  /**
   * Version of the modules that live in the same repository and that its go.mod takes from directories there: the
   * registry has them as modules of their own.
   */
  readonly siblings?: string;
  /** Arguments of `go mod edit` before the build, to replace or drop requirements. */
  readonly edit?: readonly string[];
  /** Packages whose blank imports are taken out of a file: they cannot be built here, and are not needed. */
  readonly dropImports?: { readonly file: string; readonly packages: readonly string[] };
  /** Go variables set at link time. */
  readonly variables?: Readonly<Record<string, string>>;
  /** For a program with parts in C. */
  readonly cgo?: {
    /** Source with the headers, static libraries and pkg-config files that they need. */
    readonly libraries: string;
    /** Build tags. */
    readonly tags: readonly string[];
  };
}

/** A C program of one file, linked statically. */
export interface StaticProgram {
  readonly kind: 'static-program';
  readonly source: string;
  /** Path inside the source's output. */
  readonly file: string;
  readonly defines: Readonly<Record<string, string>>;
  readonly output: string;
}

export type ArtifactPlan = Pick<Artifact, 'name' | 'version' | 'url'> & { readonly content: Content };

export type Content =
  /** Archive member -> file of a source. */
  | { readonly kind: 'tar.gz'; readonly members: Readonly<Record<string, SourceFile>> }
  | { readonly kind: 'file'; readonly file: SourceFile }
  | ({ readonly kind: 'image'; readonly image: ImageName; readonly reference: string } & Image);

/** An image of one layer. */
export interface Image {
  readonly config: ImageConfig;
  readonly rootfs: readonly RootfsPart[];
}

export interface SourceFile {
  readonly source: string;
  readonly path: string;
}

/** The part of an OCI image's `config` that these images need. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  /** User that containers run as, by its number; root if there is none. */
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
}

export type RootfsPart =
  /** `mode` is 0755 unless it is given. */
  | { readonly kind: 'file'; readonly from: SourceFile; readonly to: string; readonly mode?: number }
  | { readonly kind: 'text'; readonly text: string; readonly to: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly to: string; readonly target: string }
  | { readonly kind: 'directory'; readonly to: string; readonly mode: number }
  /** A source's whole tree, without what `exclude` (a regular expression on the path) matches. */
  | { readonly kind: 'tree'; readonly source: string; readonly exclude?: string }
  /** A busybox and a link for each of its applets that no other part provides. */
  | { readonly kind: 'busybox'; readonly from: SourceFile };
