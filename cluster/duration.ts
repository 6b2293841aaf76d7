const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds in a duration of the spec, such as `90s`, `30m`, `24h` or `7d`. */
export function seconds(duration: string): number {
  const [, count, unit = ''] = /^([1-9]\d*)([smhd])$/.exec(duration) ?? [];
  const secondsOfUnit = units[unit];
  if (secondsOfUnit === undefined) throw new RangeError(`${duration} is not a duration such as 24h`);
  return Number(count) * secondsOfUnit;
}
