/** What a secret looks like in a text. */
interface SecretShape {
  readonly name: string;
  /** Global; takes time in proportion to the text, as hosts choose the text. */
  readonly pattern: RegExp;
  readonly replacement: string;
  /** Nothing innocent looks like this: a text with it leaks. What else is removed may well be public. */
  readonly certain: boolean;
}

/** One row a kind; test/ssh/errors.test.ts has samples of each. */
const shapes: readonly SecretShape[] = [
  {
    name: 'a private key',
    // Also one that is cut off at its end.
    pattern: /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g,
    replacement: '[PEM removed]',
    certain: true,
  },
  {
    name: 'a PEM block',
    pattern: /-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g,
    replacement: '[PEM removed]',
    certain: false,
  },
  {
    name: 'lines from the middle of a PEM block',
    // Digests have this length too, in lower case.
    pattern: /(?:^(?![0-9a-f]{64}$)[A-Za-z0-9+/]{64}$\n?)+(?:^[A-Za-z0-9+/]{1,64}={0,2}$)?/gm,
    replacement: '[PEM removed]',
    certain: false,
  },
  {
    name: 'a private key in base64, as kubeconfigs have it',
    // Not "-----BEGIN CERTIFICATE" or "-----BEGIN PUBLIC".
    pattern: /LS0tLS1CRUdJTi(?!BDRVJU|BQVUJM)[A-Za-z0-9+/]*={0,2}/g,
    replacement: '[key removed]',
    certain: true,
  },
  {
    name: 'PEM in base64',
    pattern: /LS0tLS1CRUdJTi[A-Za-z0-9+/]*={0,2}/g,
    replacement: '[PEM removed]',
    certain: false,
  },
  {
    name: 'a JSON web token',
    pattern: /(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?/g,
    replacement: '[token removed]',
    certain: true,
  },
  {
    name: 'a JSON web token in base64, as Secrets have it',
    pattern: /(?<![A-Za-z0-9+/])ZXlK[A-Za-z0-9+/]{20,}={0,2}/g,
    replacement: '[token removed]',
    certain: false,
  },
  {
    name: 'a JSON web token whose beginning is cut off',
    pattern: /(?<![\w-])[\w-]{20,}\.[\w-]{80,}/g,
    replacement: '[token removed]',
    certain: false,
  },
  {
    name: 'a bootstrap token',
    // https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/#token-format
    pattern: /\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g,
    replacement: '[token removed]',
    certain: false,
  },
  {
    name: 'a key in base64 behind its name',
    pattern: /(?<=(?:client-key-data|secret)["']?: {0,8}["']?)[A-Za-z0-9+/]{40,}={0,2}/g,
    replacement: '[key removed]',
    certain: true,
  },
  {
    name: '32 bytes in base64, as a secretbox key is',
    pattern: /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/g,
    replacement: '[key removed]',
    certain: false,
  },
  {
    name: 'much base64',
    pattern: /(?<![A-Za-z0-9+/])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])[A-Za-z0-9+/]{120,}={0,2}/g,
    replacement: '[base64 removed]',
    certain: false,
  },
  {
    name: 'a password in a URL',
    // What follows a colon may be a port.
    pattern: /(?<=\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s:/?#@]{0,200}:(?!\d{1,5}(?:[/?#]|$))[^\s@]{1,200}@/gi,
    replacement: '[password removed]@',
    certain: true,
  },
  {
    name: 'a password or token of an HTTP header or a command line',
    pattern: /(?<=\b(?:Bearer |Basic |(?:password|passwd|token|secret)=))[^\s"'&,;[]{6,}/gi,
    replacement: '[secret removed]',
    certain: false,
  },
];

/** Replaces whatever looks like a secret. */
export function scrub(text: string): string {
  return shapes.reduce((rest, { pattern, replacement }) => rest.replace(pattern, replacement), withoutTails(text));
}

const pemEnd = /^.*-----END [A-Z0-9 ]+-----/;
const pemLine = /^[A-Za-z0-9+/=]{1,80}\r?$/;

/** Removes PEM blocks whose beginning is cut off: their lines up to their end. */
function withoutTails(text: string): string {
  if (!text.includes('-----END ')) return text;
  const lines: string[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    inBlock ||= line.includes('-----BEGIN ');
    if (inBlock || !pemEnd.test(line)) {
      lines.push(line);
    } else {
      while (pemLine.test(lines.at(-1) ?? '')) lines.pop();
      const before = lines.pop();
      // Its first line may stand behind other words.
      if (before !== undefined) lines.push(before.replace(/\s[A-Za-z0-9+/=]{1,80}\r?$/, ''));
      lines.push(line.replace(pemEnd, '[PEM removed]'));
    }
    if (line.includes('-----END ')) inBlock = false;
  }
  return lines.join('\n');
}

/** Names of the secrets that a text holds for certain. */
export function secretsIn(text: string): string[] {
  return shapes.flatMap(({ name, pattern, certain }) => (certain && text.search(pattern) >= 0 ? [name] : []));
}
