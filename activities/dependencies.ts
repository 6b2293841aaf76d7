import type { Logger } from 'pino';
import type { ArtifactCache } from './artifacts/artifact-cache.js';
import type { ClusterContexts } from './cluster-context.js';
import type { StateStore } from './state-store/state-store.js';

/** What activities work with; composed by the worker, or by a test. */
export interface ActivityDependencies {
  readonly store: StateStore;
  readonly cache: ArtifactCache;
  readonly contexts: ClusterContexts;
  readonly log: Logger;
}
