import { LineCounter, parseDocument, type Document } from 'yaml';

/** A text is not YAML that can be used. Says where, and quotes nothing: the file may be another one than it should be. */
export class YamlError extends Error {}

export interface ParsedYaml {
  readonly value: unknown;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** How often one text may refer to others with `*`; a small file could otherwise unfold to gigabytes. */
const MOST_ALIASES = 100;

/**
 * Parses YAML.
 *
 * @throws YamlError with the line and column, for syntax, aliases that lead nowhere or into themselves.
 */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    // https://eemeli.org/yaml/#errors: the messages may quote the text, the codes do not.
    throw new YamlError(
      `no valid YAML at line ${line}, column ${col} (${syntax.code.toLowerCase().replaceAll('_', ' ')})`,
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch {
    throw new YamlError(`an alias (*name) has no anchor (&name) before it, or there are more than ${MOST_ALIASES}`);
  }
  if (refersToItself(value, new Set())) throw new YamlError('an anchor (&name) holds an alias (*name) of itself');
  return { value, document, lines };
}

function refersToItself(value: unknown, above: Set<unknown>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.has(value)) return true;
  above.add(value);
  const found = Object.values(value).some((part) => refersToItself(part, above));
  above.delete(value);
  return found;
}
