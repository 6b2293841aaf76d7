import { stringify } from 'yaml';

/** A key of the secretbox provider (XSalsa20 and Poly1305). */
export interface EncryptionKey {
  /** Stands before every value that it encrypted in etcd: `k8s:enc:secretbox:v1:<name>:`. */
  readonly name: string;
  /** 32 random bytes, base64. */
  readonly secret: string;
}

/** The keys that API servers have: the first encrypts, all decrypt. Two of them are a rotation on its way. */
export type KeyRing = readonly [EncryptionKey, ...EncryptionKey[]];

/** How many bytes a key has. */
export const ENCRYPTION_KEY_BYTES = 32;

/**
 * EncryptionConfiguration, YAML. Secrets alone are encrypted: they are what RBAC guards apart, and every read and write
 * costs. `identity` comes last, so that what was written before encryption stays readable.
 */
export function encryptionConfiguration(ring: KeyRing): string {
  return stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: [{ secretbox: { keys: ring } }, { identity: {} }] }],
  });
}

/** The ring that a cluster begins with. */
export function firstRing(secret: string): KeyRing {
  return [{ name: 'key1', secret }];
}

/**
 * How far a rotation is, read from the ring alone: `settled` has one key, `introduced` a new one that only decrypts yet,
 * `promoted` a new one that encrypts while the old one still decrypts.
 */
export type RotationPhase = 'settled' | 'introduced' | 'promoted';

export function phaseOf([first, ...others]: KeyRing): RotationPhase {
  if (others.length === 0) return 'settled';
  return others.some((other) => numberOf(other) > numberOf(first)) ? 'introduced' : 'promoted';
}

/**
 * The ring of the next phase. Each may reach hosts one after the other: whatever one of them encrypts, all can decrypt.
 *
 * @param secret - of the new key; used from `settled` only
 */
export function nextRing(ring: KeyRing, secret: string): KeyRing {
  const [first, second] = ring;
  switch (phaseOf(ring)) {
    case 'settled':
      return [first, { name: `key${numberOf(first) + 1}`, secret }];
    case 'introduced':
      return second === undefined ? ring : [second, first];
    case 'promoted':
      return [first];
  }
}

/** What stands before a value in etcd that this key encrypted. */
export function encryptedPrefix({ name }: Pick<EncryptionKey, 'name'>): string {
  return `k8s:enc:secretbox:v1:${name}:`;
}

function numberOf({ name }: EncryptionKey): number {
  return Number(/^key(\d+)$/.exec(name)?.[1] ?? 0);
}
