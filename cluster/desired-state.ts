/**
 * What a component wants on one host, as data. `plan`, `apply` and `verify` all read this same description, so they
 * cannot drift apart (docs/architecture.md, contract 3).
 */
export interface HostState {
  /** Packages of the distribution, by their Debian/Ubuntu name. */
  readonly packages: readonly string[];
  readonly accounts: readonly SystemAccount[];
  readonly directories: readonly DesiredDirectory[];
  readonly files: readonly DesiredFile[];
  readonly kernel: KernelState;
  readonly units: readonly DesiredUnit[];
  /** Container images that the runtime must hold before a pod asks for them. */
  readonly images: readonly DesiredImage[];
  /** How to know that the component works; run after every apply, and after every apply that changed nothing. */
  readonly ready: readonly Probe[];
  /** What the component's programs leave on a host by themselves; only its removal needs to know. */
  readonly traces: Traces;
}

/** What running leaves behind, beyond everything that the rest of the description puts on a host. */
export interface Traces {
  /** Files and directories that programs make; what stood there before the first start stays after a removal. */
  readonly paths: readonly string[];
  /** Kernel settings that programs change; they get back the values from before the first start. */
  readonly sysctls: readonly string[];
  /** Accounts that the component's packages make, and that stay when the packages go. */
  readonly accounts: readonly string[];
  /** What people may want back. */
  readonly data: readonly Data[];
  /** What takes away the rest, in this order, once every unit has stopped. */
  readonly cleanups: readonly Cleanup[];
}

/** Data of a component that a removal puts aside, or deletes if it is told to. */
export interface Data {
  /** What people call it; part of the name under which it is kept. */
  readonly name: string;
  readonly path: string;
}

/** A POSIX shell command, to be run as often as it takes, that fails if `title` could not be done. */
export interface Cleanup {
  /** A sentence without its subject, e.g. `end every pod`. */
  readonly title: string;
  readonly command: string;
}

/** A system user with a group of the same name, no home directory and no login shell. */
export interface SystemAccount {
  readonly name: string;
}

export interface DesiredDirectory {
  readonly path: string;
  /** Permission bits, e.g. 0o755. */
  readonly mode: number;
  /** `user:group` by name. */
  readonly owner: string;
}

export interface DesiredFile {
  readonly path: string;
  readonly mode: number;
  readonly owner: string;
  readonly content: FileContent;
}

/**
 * Where a file's bytes come from. Everything secret is a reference: the bytes are put together inside the activity
 * that writes them, from the state store, and never travel through Temporal (contract 4).
 */
export type FileContent =
  | { readonly kind: 'text'; readonly text: string }
  /** Lines kept between two marker comments in a file that belongs to the host (for instance /etc/hosts). */
  | { readonly kind: 'block'; readonly text: string }
  /** One file of an artifact in the lock file. */
  | { readonly kind: 'artifact'; readonly artifact: ArtifactFile }
  /** A certificate of the PKI plan, PEM. */
  | { readonly kind: 'certificate'; readonly certificate: string }
  /** The private key of a certificate or key pair of the PKI plan, PEM. */
  | { readonly kind: 'private-key'; readonly key: string }
  /** The public half of a key pair of the PKI plan (the service-account keys), PEM. */
  | { readonly kind: 'public-key'; readonly key: string }
  /** A kubeconfig with an embedded client certificate of the PKI plan. */
  | { readonly kind: 'kubeconfig'; readonly server: string; readonly certificate: string }
  /** The API server's EncryptionConfiguration, with the cluster's keys. */
  | { readonly kind: 'encryption-config' };

/** What is issued by the cluster's PKI, and can be had as PEM. */
export type IssuedContent = Extract<FileContent, { kind: 'certificate' | 'private-key' }>;

/** A single regular file inside an artifact: the artifact itself, or one member of its archive. */
export interface ArtifactFile {
  readonly artifact: string;
  /** Path inside the archive; absent when the artifact is the file itself. */
  readonly member?: string;
}

export interface KernelState {
  readonly modules: readonly KernelModule[];
  readonly sysctls: Readonly<Record<string, string>>;
}

/** A kernel feature; a module that is built in shows its evidence without being loaded. */
export interface KernelModule {
  readonly name: string;
  /** A path that exists once the feature is there. */
  readonly evidence: string;
}

export interface DesiredUnit {
  readonly name: string;
  readonly enabled: boolean;
  readonly running: boolean;
  /** Paths whose change calls for a restart, the unit file itself always included. */
  readonly restartOn: readonly string[];
  /**
   * The package that brings the unit, and enables and starts it as its distribution likes, so that a unit which is not
   * wanted is one to disable and stop as soon as the package is to be installed.
   */
  readonly broughtBy?: string;
  /** Longest time that a start may take, in seconds, before it counts as failed. */
  readonly startTimeoutSeconds: number;
}

export interface DesiredImage {
  /** Full reference as pods name it, e.g. `registry.k8s.io/pause:3.2`. */
  readonly reference: string;
  readonly archive: ArtifactFile;
}

/** A POSIX shell command that exits 0 once `title` is true; asked again until it is or the deadline passes. */
export interface Probe {
  readonly title: string;
  readonly command: string;
  readonly timeoutSeconds: number;
  /** A command that helps what is stuck, run when the probe has not come true in time and before it is tried again. */
  readonly mend?: string;
}

export const noTraces: Traces = { paths: [], sysctls: [], accounts: [], data: [], cleanups: [] };

/** The empty state, to be spread into a component's own. */
export const nothing: HostState = {
  packages: [],
  accounts: [],
  directories: [],
  files: [],
  kernel: { modules: [], sysctls: {} },
  units: [],
  images: [],
  ready: [],
  traces: noTraces,
};
