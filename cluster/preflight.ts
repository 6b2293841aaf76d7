/** What a look at one host found, before anything is changed. */
export interface HostInspection {
  readonly host: string;
  /** Sentences that stop the run: what is wrong, the value, what is allowed, the fix. */
  readonly problems: readonly string[];
  /** What was decided by what was found, e.g. the proxy mode. */
  readonly notes: readonly string[];
  /** The host's clock less the worker's, in milliseconds; absent when the host could not be reached. */
  readonly clockOffsetMs?: number;
}

/** Certificates are backdated by five minutes; a clock further off would see them as not yet valid. */
const MAX_SKEW_MS = 30_000;

/**
 * Every reason not to start, over all hosts. Clocks are compared with their median, so that one wrong clock (the
 * worker's too) does not put all others in the wrong.
 */
export function refusals(inspections: readonly HostInspection[]): string[] {
  const offsets = inspections
    .map((inspection) => inspection.clockOffsetMs)
    .filter((offset) => offset !== undefined)
    .sort((a, b) => a - b);
  const median = offsets[Math.floor(offsets.length / 2)] ?? 0;
  return inspections.flatMap(({ host, problems, clockOffsetMs }) => {
    const skew = clockOffsetMs === undefined ? 0 : clockOffsetMs - median;
    return [
      ...problems.map((problem) => `${host}: ${problem}`),
      ...(Math.abs(skew) <= MAX_SKEW_MS
        ? []
        : [
            `${host}: its clock is ${Math.round(skew / 1000)} s off the median of all hosts; at most ${MAX_SKEW_MS / 1000} s is allowed; start its time service (chrony) and try again`,
          ]),
    ];
  });
}
