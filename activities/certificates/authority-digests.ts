import { createHash } from 'node:crypto';
import { authorityNames } from '../../cluster/pki.js';
import type { SecretStore } from '../state-store/state-store.js';
import { readIssued } from './ensure-pki.js';

/** sha256 of each authority's certificate file as it stands on hosts; those that were never made are absent. */
export async function authorityDigests(store: SecretStore): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for (const name of authorityNames) {
    if ((await store.newest(name)) === undefined) continue;
    const { certificate } = await readIssued(store, name);
    if (certificate !== undefined) digests.set(name, createHash('sha256').update(certificate).digest('hex'));
  }
  return digests;
}
