import { homedir } from 'node:os';
import type { Logger } from 'pino';
import type { ArtifactLock } from '../cluster/artifacts.js';
import { componentState, type Component } from '../cluster/components/index.js';
import type { HostState } from '../cluster/desired-state.js';
import { factsScript, parseFacts, type HostFacts } from '../cluster/facts.js';
import { sshSettings, type ClusterSpec, type SpecReference } from '../cluster/spec.js';
import { validateSpec } from '../cluster/spec/validate.js';
import { SUPER_ADMIN } from '../cluster/pki.js';
import { apiServerUrl, hostByName, hostsWithRole } from '../cluster/topology.js';
import { PreconditionError } from './activity.js';
import type { ArtifactCache } from './artifacts/artifact-cache.js';
import { ArtifactCatalog } from './artifacts/artifact-catalog.js';
import type { FetchOptions } from './artifacts/fetch-artifact.js';
import { packageSource } from './artifacts/package-source.js';
import { lockOf } from './artifacts/artifact-lock.js';
import { Content } from './content.js';
import { withText, type ContentResolver } from './host-state/content.js';
import type { PackageSource } from './host-state/packages.js';
import { KubernetesApi } from './kubernetes/kubernetes-api.js';
import { UNDO_DIRECTORY, type UndoJournal } from './host-state/undo-journal.js';
import { SshPool, type RemoteHost } from './ssh/connection-pool.js';
import type { SshTarget } from './ssh/target.js';
import type { ClusterStore, StateStore } from './state-store/state-store.js';

/** One cluster as activities see it: its spec, and the ways to its files, its hosts and its API. */
export class ClusterContext {
  readonly content: Content;
  /** Finds the bytes of every desired file. */
  readonly resolver: ContentResolver;
  readonly catalog: ArtifactCatalog;
  readonly kubernetes: KubernetesApi;
  private readonly fetching: FetchOptions;
  private readonly ssh: SshPool;

  constructor(
    readonly spec: ClusterSpec,
    readonly store: ClusterStore,
    readonly lock: ArtifactLock,
    cache: ArtifactCache,
    log: Logger,
  ) {
    this.fetching = { cache, mirror: spec.artifacts.mirror };
    this.catalog = new ArtifactCatalog(lock, this.fetching);
    this.content = new Content(store, this.catalog);
    this.resolver = withText(this.content);
    this.kubernetes = new KubernetesApi(
      hostsWithRole(spec, 'control-plane').map((host) => ({
        name: host.name,
        kubeconfig: () => this.content.kubeconfig(apiServerUrl(host), SUPER_ADMIN),
      })),
    );
    this.ssh = new SshPool({
      hosts: (name) => sshTarget(spec, name, store),
      onNewHostKey: (key) => log.info(key, 'the key of a new host was recorded'),
    });
  }

  host(name: string): RemoteHost {
    return this.ssh.host(name);
  }

  /** What the host is, read afresh. */
  async facts(name: string, signal: AbortSignal): Promise<HostFacts> {
    const { stdout } = await this.host(name).run({
      title: 'read what the host is',
      command: 'sh -s',
      stdin: factsScript(),
      timeoutMs: 20_000,
      signal,
    });
    return parseFacts(stdout);
  }

  desiredState(component: Component, name: string, facts: HostFacts): HostState {
    return componentState(component, { spec: this.spec, host: hostByName(this.spec, name), lock: this.lock, facts });
  }

  /** Where a host's packages come from. */
  async packages(names: readonly string[], facts: HostFacts, signal: AbortSignal): Promise<PackageSource> {
    return packageSource(this.lock, facts.distribution, names, { ...this.fetching, signal });
  }

  /** Where hosts write down what they were before this cluster. */
  get journal(): UndoJournal {
    return { directory: UNDO_DIRECTORY, cluster: this.spec.name };
  }

  async close(): Promise<void> {
    await this.ssh.close();
  }
}

/** Contexts by snapshot; they hold connections, and nothing that could not be read again. */
export class ClusterContexts {
  private readonly open = new Map<string, Promise<ClusterContext>>();

  constructor(
    private readonly store: StateStore,
    private readonly cache: ArtifactCache,
    private readonly log: Logger,
  ) {}

  async get({ cluster, specDigest }: SpecReference): Promise<ClusterContext> {
    const key = `${cluster}/${specDigest}`;
    const known = this.open.get(key);
    if (known !== undefined) return known;
    const opened = this.load(cluster, specDigest);
    this.open.set(key, opened);
    opened.catch(() => this.open.delete(key));
    return opened;
  }

  async close(): Promise<void> {
    const open = [...this.open.values()];
    this.open.clear();
    await Promise.allSettled(open.map(async (context) => (await context).close()));
  }

  private async load(cluster: string, specDigest: string): Promise<ClusterContext> {
    const store = await this.store.cluster(cluster);
    const validated = validateSpec(await store.getSpec(specDigest));
    if ('problems' in validated) {
      throw new PreconditionError(
        `the snapshot ${specDigest} of ${cluster} is not valid for this worker; start the run again`,
      );
    }
    const { spec } = validated;
    if (spec.name !== cluster) {
      throw new PreconditionError(
        `the snapshot ${specDigest} describes cluster ${spec.name}, not ${cluster}; start the run again with the right file`,
      );
    }
    return new ClusterContext(spec, store, await lockOf(spec), this.cache, this.log);
  }
}

function sshTarget(spec: ClusterSpec, name: string, store: ClusterStore): SshTarget {
  const host = hostByName(spec, name);
  const ssh = sshSettings(spec, host);
  return {
    name,
    address: host.address,
    port: ssh.port,
    user: ssh.user,
    identityFile: expandHome(ssh.identityFile),
    knownHostsFile: ssh.knownHosts === undefined ? store.knownHostsPath : expandHome(ssh.knownHosts),
    hostKeys: ssh.hostKeys,
    sudo: ssh.user !== 'root',
  };
}

function expandHome(path: string): string {
  return path.startsWith('~/') ? homedir() + path.slice(1) : path;
}
