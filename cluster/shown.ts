/**
 * What people see of a text that may come from anywhere: a host, a kubelet, whoever sends a message. Escape sequences
 * hide lines and forge others, invisible and direction-changing characters forge names. Pure, as the client and the
 * workflows show the same texts.
 */

/** Longest line that is shown, in characters; a list of all nodes of a large cluster is below it. */
const MOST_OF_A_LINE = 32_000;

/** Longest text within a sentence of the Temporal UI, in characters. */
const MOST_OF_A_VALUE = 1000;

/** Unicode's category C: control, format, surrogate, private use and unassigned characters. */
const invisible = /[^\P{C}\n]/gu;

/** The text with every invisible character but line breaks as `\xNN` or `\u{...}`, and its lines cut at a bound. */
export function shown(text: string): string {
  const visible = text.replace(invisible, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const digits = code.toString(16);
    return code <= 0xff ? `\\x${digits.padStart(2, '0')}` : `\\u{${digits}}`;
  });
  return visible
    .split('\n')
    .map((line) => cut(line, MOST_OF_A_LINE))
    .join('\n');
}

/** JSON in which every invisible character is escaped as JSON does. */
export function shownJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(invisible, (character) =>
    Array.from({ length: character.length }, (_, i) => {
      return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

/**
 * The text as one piece of Markdown that shows it and nothing else: code, which has no links, images or headings.
 * https://spec.commonmark.org/0.31.2/#code-spans
 */
export function literal(text: string): string {
  const line = cut(shown(text.replaceAll(/\s+/g, ' ').trim()), MOST_OF_A_VALUE);
  const runs = line.match(/`+/g) ?? [];
  const fence = '`'.repeat(Math.max(0, ...runs.map((run) => run.length)) + 1);
  // The spaces are no part of what is shown; without them a text could not begin or end with a backtick, or be empty.
  return `${fence} ${line} ${fence}`;
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}... (${text.length - most} more characters)`;
}
