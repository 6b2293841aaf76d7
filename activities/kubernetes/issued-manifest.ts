import type { IssuedContent } from '../../cluster/desired-state.js';
import { IssuedPem, type Manifest } from '../../cluster/addons/manifest.js';

/** The manifest with every {@link IssuedPem} in its place. What comes out may be secret. */
export async function withIssued(
  manifest: Manifest,
  pemOf: (content: IssuedContent) => Promise<string>,
): Promise<Manifest> {
  const filled = async (value: unknown): Promise<unknown> => {
    if (value instanceof IssuedPem) {
      return Buffer.from(await pemOf(value.content)).toString(value.encoding === 'text' ? 'utf8' : 'base64');
    }
    if (Array.isArray(value)) return Promise.all(value.map(filled));
    if (typeof value !== 'object' || value === null) return value;
    const fields = Object.entries(value).map(async ([name, field]) => [name, await filled(field)] as const);
    return Object.fromEntries(await Promise.all(fields));
  };
  return (await filled(manifest)) as Manifest;
}
