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
