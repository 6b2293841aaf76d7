/** One apt source of binary packages: an archive, a suite of it, and how its signature is checked. */
export interface AptSource {
  uri: string;
  suite: string;
  components: string[];
  /** Key file that signs it, if the source names one (`Signed-By`, `[signed-by=...]`). */
  signedBy?: string;
}

/**
 * Reads a one-line style file (`/etc/apt/sources.list`), format: sources.list(5).
 * Lines of other types (`deb-src`), lines that switch signature checks off (`trusted=yes`) and addresses that carry
 * credentials are left out.
 */
export function parseSourcesList(text: string): AptSource[] {
  return text.split('\n').flatMap((raw) => {
    const line = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(raw.replace(/#.*$/, '').trim());
    if (line === null) return [];
    const [, options = '', uri = '', suite = '', components = ''] = line;
    const option = new Map(words(options).map((word) => splitOnce(word, '=')));
    if (option.get('trusted') === 'yes' || carriesCredentials(uri)) return [];
    return [source(uri, suite, words(components), option.get('signed-by'))];
  });
}

/**
 * Reads a deb822 style file (`/etc/apt/sources.list.d/*.sources`), format: sources.list(5).
 * Stanzas that are disabled, of other types, or that switch signature checks off, and addresses that carry
 * credentials, are left out.
 */
export function parseDeb822(text: string): AptSource[] {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = deb822Fields(stanza);
    const field = (name: string): string[] => words(fields.get(name) ?? '');
    if (!field('types').includes('deb') || fields.get('enabled') === 'no' || fields.get('trusted') === 'yes') return [];
    // A key written into the stanza itself is no file: the archive's usual key ring is used then.
    const signedBy = field('signed-by').find((word) => word.startsWith('/'));
    return field('uris')
      .filter((uri) => !carriesCredentials(uri))
      .flatMap((uri) => field('suites').map((suite) => source(uri, suite, field('components'), signedBy)));
  });
}

/** The source of the release `codename` itself, not of its updates: http or https, with component `main`. */
export function releaseSource(sources: readonly AptSource[], codename: string): AptSource | undefined {
  return sources.find(
    ({ uri, suite, components }) => /^https?:/.test(uri) && suite === codename && components.includes('main'),
  );
}

/** Every source that serves `codename` or its updates and security fixes, as lines for a sources.list. */
export function sourcesListFor(sources: readonly AptSource[], codename: string): string {
  return sources
    .filter(({ suite }) => suite === codename || suite.startsWith(`${codename}-`))
    .map(({ uri, suite, components, signedBy }) =>
      ['deb', ...(signedBy === undefined ? [] : [`[signed-by=${signedBy}]`]), uri, suite, ...components].join(' '),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Such an address would end up in a command line and in an image that others can read. */
function carriesCredentials(uri: string): boolean {
  return /^[a-z+]+:\/\/[^/]*@/.test(uri);
}

function source(uri: string, suite: string, components: string[], signedBy: string | undefined): AptSource {
  return { uri, suite, components, ...(signedBy === undefined ? {} : { signedBy }) };
}

function deb822Fields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current = '';
  for (const line of stanza.split('\n')) {
    if (line.startsWith('#')) continue;
    if (/^\s/.test(line)) {
      fields.set(current, `${fields.get(current) ?? ''} ${line.trim()}`);
      continue;
    }
    const [name, value] = splitOnce(line, ':');
    current = name.trim().toLowerCase();
    fields.set(current, value.trim());
  }
  return fields;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
