import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ENCRYPTION_KEY_BYTES, firstRing, type KeyRing } from '../../cluster/encryption.js';
import { PkiError } from '../certificates/ensure-pki.js';
import type { SecretStore } from '../state-store/state-store.js';

const NAME = 'key-ring';

const key = z.strictObject({ name: z.string().min(1), secret: z.base64() });
const ringSchema = z.tuple([key], key);

/** The ring and the place of its text in the store. */
export interface StoredRing {
  readonly generation: number;
  readonly ring: KeyRing;
}

/**
 * The newest ring, or undefined before the first deployment.
 *
 * @throws PkiError for a text that is no ring; the message holds nothing of it.
 */
export async function newestRing(store: SecretStore): Promise<StoredRing | undefined> {
  const newest = await store.newest(NAME);
  if (newest === undefined) return undefined;
  const parsed = ringSchema.safeParse(parseJson(newest.text));
  if (!parsed.success) {
    throw new PkiError(
      `${store.location(NAME)} holds no key ring: restore it from a backup, or Secrets stay unreadable`,
    );
  }
  return { generation: newest.generation, ring: parsed.data };
}

/** The ring that hosts shall have now. */
export async function readRing(store: SecretStore): Promise<KeyRing> {
  const stored = await newestRing(store);
  if (stored === undefined) {
    throw new PkiError(`no encryption key in ${store.location(NAME)}: it is made with the certificates, before use`);
  }
  return stored.ring;
}

/** Makes the first ring unless there is one; of several workers, one is first and its ring is everybody's. */
export async function ensureRing(store: SecretStore): Promise<'created' | 'reused'> {
  if ((await newestRing(store)) !== undefined) return 'reused';
  return (await addRing(store, { generation: 1, ring: firstRing(newSecret()) })) ? 'created' : 'reused';
}

/** Adds a ring; false if another writer was first. */
export async function addRing(store: SecretStore, { generation, ring }: StoredRing): Promise<boolean> {
  return store.add(NAME, { generation, text: JSON.stringify(ring) });
}

/** Key material, base64. */
export function newSecret(): string {
  return randomBytes(ENCRYPTION_KEY_BYTES).toString('base64');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
