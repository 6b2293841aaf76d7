import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './errors.js';

/** Writes one progress line to stderr; stdout carries results only. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs `work` and reports how long it took; while it runs, says every `everySeconds` that it still does.
 * @param detail what `work` is busy with right now, if it can tell
 */
export async function withProgress<T>(
  what: string,
  work: () => Promise<T>,
  { everySeconds = 2, detail }: { everySeconds?: number; detail?: () => string } = {},
): Promise<T> {
  const start = Date.now();
  const seconds = (): string => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  const timer = setInterval(() => {
    const now = detail?.() ?? '';
    say(`  ${what}: ${seconds()}${now === '' ? '' : `, ${now}`}`);
  }, everySeconds * 1000);
  try {
    const result = await work();
    say(`${what}: done in ${seconds()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Polls `probe` until its answer is truthy.
 * @returns that answer, or the last one if none was within `seconds`
 */
export async function eventually<T>(probe: () => Promise<T>, seconds: number): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await probe();
    if (Boolean(answer) || Date.now() > deadline) return answer;
    await sleep(50);
  }
}

/** Runs `work` on every item at once; the failures of all are joined into one error, by name. */
export async function onAll<T extends { name: string }>(
  what: string,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  const failures = results.flatMap((result, index) =>
    result.status === 'rejected' ? [`  - ${items[index]?.name ?? ''}: ${describe(result.reason)}`] : [],
  );
  if (failures.length > 0) {
    throw new LabError(`${what} failed on ${failures.length} of ${items.length} hosts:\n${failures.join('\n')}`);
  }
}

/** What an error says to a person: a failed command's stderr rather than its stack. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('shortMessage' in error && typeof error.shortMessage === 'string') {
    const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : '';
    return stderr === '' ? error.shortMessage : `${error.shortMessage}: ${stderr}`;
  }
  return error.message;
}
