import type { UndoKind } from '../undo.js';

/** What a look at a host printed (activities/preflight/look.sh): lines of a key and words. */
export class Report {
  private readonly lines: readonly (readonly string[])[];

  constructor(output: string) {
    this.lines = output.split('\n').map((line) => line.trimEnd().split(' '));
  }

  /** The words behind every line of that key. */
  all(key: string): readonly (readonly string[])[] {
    return this.lines.filter(([name]) => name === key).map(([, ...words]) => words);
  }

  /** One word of the first line of that key; empty where there is none. */
  word(key: string, index = 0): string {
    return this.all(key)[0]?.[index] ?? '';
  }

  has(key: string): boolean {
    return this.all(key).length > 0;
  }

  /** The cluster that changed the host by what it wrote down; empty where it was killed too early, undefined if none did. */
  get journal(): string | undefined {
    return this.has('journal') ? this.word('journal') : undefined;
  }

  /** Whether this project has written down that it changes a thing, and so that the thing is its own by now. */
  made(kind: UndoKind, name: string): boolean {
    return this.all('record').some(([recorded, what]) => recorded === kind && what === name);
  }

  /** A property of a unit, e.g. `ActiveState`; empty where there is no such unit. */
  unit(name: string, property: string): string {
    const line = this.all('unit').find(([unit, pair]) => unit === name && pair?.startsWith(`${property}=`));
    return line?.[1]?.slice(property.length + 1) ?? '';
  }
}

/** What a look comes to: sentences that stop a run, and sentences for whoever reads the plan. */
export interface Findings {
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

/** All of them, each once. */
export function together(findings: readonly Findings[]): { problems: string[]; notes: string[] } {
  const once = (texts: readonly string[]): string[] => [...new Set(texts)];
  return {
    problems: once(findings.flatMap(({ problems }) => problems)),
    notes: once(findings.flatMap(({ notes }) => notes)),
  };
}
