/** What a line of ginkgo's output tells. */
export type Event =
  | { readonly kind: 'ended'; readonly failed: boolean }
  /** A test that runs for a while already; `seconds` since it began. */
  | { readonly kind: 'running'; readonly name: string; readonly seconds: number };

/** What a line of `ginkgo -v --no-color` with several processes tells; most tell nothing. */
export function eventIn(line: string): Event | undefined {
  const ended = /^(?:•|S)(?: \[([A-Z!]+)\])? \[\d+\.\d+ seconds\]$/.exec(line);
  if (ended !== null) return { kind: 'ended', failed: !['SKIPPED', undefined].includes(ended[1]) };
  const running = /^\s+(\S.*) \(Spec Runtime: (\S+)\)$/.exec(line);
  if (running === null) return undefined;
  const [, name = '', duration = ''] = running;
  return { kind: 'running', name, seconds: secondsOf(duration) };
}

/** Seconds of a duration as Go prints it, such as `1h2m3.5s` or `350ms`. */
export function secondsOf(duration: string): number {
  const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };
  return [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)].reduce(
    (sum, [, number, unit = '']) => sum + Number(number) * (units[unit] ?? 0),
    0,
  );
}

/** A pattern for ginkgo's `--focus` that matches the test of that full name, which ends what it is matched with. */
export function focusOf(name: string): string {
  return `${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
}
