/** One thing wrong with a spec: where, the value that came, what is allowed and how to mend it. */
export interface SpecProblem {
  /** Path in the document, e.g. `hosts[2].address`. */
  readonly path: (string | number)[];
  readonly value: unknown;
  readonly allowed: string;
  readonly fix: string;
}
