/**
 * What a TLS 1.2 client and server may agree on: forward secrecy and authenticated encryption. TLS 1.3 has no others and
 * cannot be configured. CHACHA20's short names are those that every version takes and that CIS benchmarks look for.
 */
export const cipherSuites: readonly string[] = [
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305',
];

/** The same by the names that IANA and Go have for them, for programs that know no others. */
export const standardCipherSuites: readonly string[] = cipherSuites.map((name) =>
  name.replace(/POLY1305$/, 'POLY1305_SHA256'),
);
