import { openStateStore } from '../activities/state-store/file-state-store.js';
import type { ClusterSpec, SpecReference } from '../cluster/spec.js';

/** Keeps the spec in the state store; workflows and activities refer to it by digest. */
export async function snapshot(spec: ClusterSpec): Promise<SpecReference> {
  const store = await openStateStore();
  return { cluster: spec.name, specDigest: await (await store.cluster(spec.name)).putSpec(spec) };
}
