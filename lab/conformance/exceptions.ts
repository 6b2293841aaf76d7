/** A conformance test that the lab cannot pass whatever is deployed on it. */
export interface Exception {
  /** Its full name. */
  readonly spec: string;
  /** What the lab lacks. */
  readonly reason: string;
}

/** Not run, and named in every report. */
export const exceptions: readonly Exception[] = [];
