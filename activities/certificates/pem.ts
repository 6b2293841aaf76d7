const block = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----/g;

/**
 * The PEM block with that label, e.g. `CERTIFICATE`, ended by a newline.
 *
 * @returns undefined unless the text has exactly one; the text itself never gets into an error, it may be secret.
 */
export function pemBlock(text: string, label: string): string | undefined {
  const found = [...text.matchAll(block)].filter((match) => match[1] === label);
  return found.length === 1 ? `${found[0]?.[0] ?? ''}\n` : undefined;
}
