/**
 * What a deployment must remember outside Temporal: snapshots of specs, the PKI, host keys, reports. All workers of a
 * task queue share one store; every operation is safe when several of them do it at once.
 */
export interface StateStore {
  /** Directory of downloaded artifacts, shared by all clusters. */
  readonly artifactsDirectory: string;
  /** Lists the programs that a cluster file may have this worker run; it need not exist. See requireAllowed. */
  readonly powerProgramsFile: string;
  /** The part of the store that belongs to one cluster; created when missing. */
  cluster(name: string): Promise<ClusterStore>;
}

export interface ClusterStore {
  readonly name: string;
  readonly pki: SecretStore;
  /** The keys that encrypt Secrets in etcd. */
  readonly encryption: SecretStore;
  /** known_hosts file of this cluster's hosts; it need not exist yet. */
  readonly knownHostsPath: string;
  /** The operator's admin kubeconfig; it need not exist yet. */
  readonly kubeconfigPath: string;
  /**
   * Keeps a snapshot of a spec.
   *
   * @returns its digest: the sha256, in hexadecimal, of its canonical JSON.
   */
  putSpec(spec: unknown): Promise<string>;
  /** The snapshot with that digest; fails if this store does not have it. */
  getSpec(digest: string): Promise<unknown>;
  /** Writes the operator's admin kubeconfig, readable by its owner alone. */
  writeKubeconfig(text: string): Promise<void>;
  /**
   * Removes the operator's admin kubeconfig.
   *
   * @returns false if there is none.
   */
  removeKubeconfig(): Promise<boolean>;
  /**
   * Writes a report.
   *
   * @param file plain file name, e.g. `deploy-ha-2021-02-08.json`.
   * @returns the path of the file.
   */
  writeReport(file: string, text: string): Promise<string>;
}

/** One text of a {@link SecretStore} and its place in the sequence of texts under one name. */
export interface SecretGeneration {
  /** Counted from 1. */
  readonly generation: number;
  readonly text: string;
}

/**
 * Secret texts by name. A text is never overwritten: a new one is the next generation, which exactly one of several
 * writers can create. That makes "look, decide, replace" safe without a lock, whose owner could die holding it.
 */
export interface SecretStore {
  /** The newest generation, or undefined if the name has none. Names are paths such as `etcd-server/master01`. */
  newest(name: string): Promise<SecretGeneration | undefined>;
  /**
   * Adds the given generation.
   *
   * @returns false if another writer was first.
   */
  add(name: string, next: SecretGeneration): Promise<boolean>;
  /** Where the name is kept, for error texts. */
  location(name: string): string;
}
