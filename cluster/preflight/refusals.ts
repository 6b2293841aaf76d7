/** What a look at one host found, before anything is changed. */
export interface HostInspection {
  readonly host: string;
  /** Sentences that stop the run: what is wrong, the value, what is allowed, the fix. */
  readonly problems: readonly string[];
  /** What was decided by what was found, e.g. the proxy mode. */
  readonly notes: readonly string[];
  /** Whether it is a node of a cluster already: a kubelet runs there. */
  readonly member?: boolean;
  /** The host's clock less the worker's, in milliseconds; absent when the host could not be reached. */
  readonly clockOffsetMs?: number;
  /** machine-id(5); absent when the host could not be reached or has none. */
  readonly machineId?: string;
}

/** How far a host may be off the median of all: certificates that one host signs hold on the others at once. */
const MAX_SKEW_MS = 30_000;
/** The worker dates certificates back by five minutes (cluster/pki.ts): one further ahead makes such as are not yet valid. */
const MAX_WORKER_SKEW_MS = 120_000;

/**
 * Every reason not to start, over all hosts. Clocks are compared with their median, so that one wrong clock does not put
 * all others in the wrong; so is the worker's, which dates every certificate.
 */
export function refusals(inspections: readonly HostInspection[]): string[] {
  const offsets = inspections
    .map((inspection) => inspection.clockOffsetMs)
    .filter((offset) => offset !== undefined)
    .sort((a, b) => a - b);
  const median = offsets[Math.floor(offsets.length / 2)] ?? 0;
  return [
    ...(Math.abs(median) <= MAX_WORKER_SKEW_MS
      ? []
      : [
          `the worker's own clock is ${Math.round(-median / 1000)} s off the median of all hosts; at most ${MAX_WORKER_SKEW_MS / 1000} s is allowed, as it dates certificates; start the time service of the worker's machine, or of the hosts, and try again`,
        ]),
    ...inspections.flatMap((inspection) => ofHost(inspection, median)),
    ...clones(inspections),
  ];
}

function ofHost({ host, problems, clockOffsetMs }: HostInspection, median: number): string[] {
  const skew = clockOffsetMs === undefined ? 0 : clockOffsetMs - median;
  return [
    ...problems.map((problem) => `${host}: ${problem}`),
    ...(Math.abs(skew) <= MAX_SKEW_MS
      ? []
      : [
          `${host}: its clock is ${Math.round(skew / 1000)} s off the median of all hosts; at most ${MAX_SKEW_MS / 1000} s is allowed; start its time service (chrony) and try again`,
        ]),
  ];
}

/** Hosts of one machine id: copies of one disk, which DHCP and the kubelet take for one machine, or one machine twice. */
function clones(inspections: readonly HostInspection[]): string[] {
  const byId = new Map<string, string[]>();
  for (const { host, machineId } of inspections) {
    if (machineId !== undefined) byId.set(machineId, [...(byId.get(machineId) ?? []), host]);
  }
  return [...byId.values()]
    .filter((hosts) => hosts.length > 1)
    .map(
      (hosts) =>
        `${hosts.join(', ')}: they have one machine id, so they are copies of one disk, or one machine under several names; give each its own (rm /etc/machine-id && systemd-machine-id-setup, then restart it), or correct the addresses`,
    );
}
