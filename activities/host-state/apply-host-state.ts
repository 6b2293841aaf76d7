import type { HostState } from '../../cluster/desired-state.js';
import { diffHostState, type Change } from '../../cluster/host-diff.js';
import { RemoteError } from '../ssh/errors.js';
import type { RemoteHost } from '../ssh/connection-pool.js';
import { applyChanges, type ApplyOptions } from './apply.js';
import { resolveFiles, type ContentResolver } from './content.js';
import { observeHost } from './observe.js';
import { verifyHost } from './verify.js';

/** What would change on a host, and why; changes nothing. */
export async function planHostState(
  host: RemoteHost,
  state: HostState,
  { content, signal }: { readonly content: ContentResolver; readonly signal?: AbortSignal | undefined },
): Promise<readonly Change[]> {
  const files = await resolveFiles(state, content);
  const observed = await observeHost(host, state, files, signal);
  return diffHostState(state, resolved(files), observed);
}

/**
 * Makes a host what `state` says: observes, makes the changes that are needed, observes that none is left, and waits
 * until the probes are true. A host that is right already is only looked at.
 *
 * @returns the changes that were made.
 * @throws RemoteError for whatever the host refuses; whatever was thrown by the content resolver.
 */
export async function applyHostState(
  host: RemoteHost,
  state: HostState,
  options: ApplyOptions,
): Promise<{ readonly changes: readonly Change[] }> {
  const files = await resolveFiles(state, options.content);
  const observed = await observeHost(host, state, files, options.signal);
  const changes = diffHostState(state, resolved(files), observed);
  if (changes.length > 0) {
    await options.beforeChanges?.(changes);
    await applyChanges(host, state, files, observed, changes, options);
    const left = diffHostState(state, resolved(files), await observeHost(host, state, files, options.signal));
    if (left.length > 0) throw notConverged(host, left);
  }
  await verifyHost(host, state, options);
  return { changes };
}

function resolved(files: Awaited<ReturnType<typeof resolveFiles>>): Parameters<typeof diffHostState>[1] {
  return files.map(({ file }) => file);
}

function notConverged(host: RemoteHost, left: readonly Change[]): RemoteError {
  const list = left.map(({ what, why }) => `${what} (${why})`).join('; ');
  return new RemoteError({ host: host.name, kind: 'exit', reason: `something undid what was just applied: ${list}` });
}
