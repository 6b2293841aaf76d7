const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds in a duration of the spec, such as `90s`, `30m`, `24h` or `7d`. */
export function seconds(duration: string): number {
  const unit = units[duration.slice(-1)];
  const count = Number(duration.slice(0, -1));
  if (unit === undefined || !Number.isInteger(count)) throw new RangeError(`${duration} is not a duration such as 24h`);
  return count * unit;
}
