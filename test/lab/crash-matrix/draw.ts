import { createHash } from 'node:crypto';

/**
 * A number in [0, 1) that depends on the seed and on what it is drawn for, and on nothing else: the same seed gives the
 * same faults in whatever order they are drawn.
 */
export function draw(seed: string, ...what: readonly (string | number)[]): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, ...what]))
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** One of the items. */
export function pick<T>(items: readonly T[], seed: string, ...what: readonly (string | number)[]): T {
  const item = items[Math.floor(draw(seed, ...what) * items.length)];
  if (item === undefined) throw new RangeError('there is nothing to pick from');
  return item;
}
