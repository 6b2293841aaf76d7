import { join } from 'node:path';
import { Workshop } from './step.js';

/** Compiled Go packages, below the cache of the builds. */
export function goCache(cache: string): string {
  return join(cache, 'go-cache');
}

/** The workshop of all mirrors and tools, swept. */
export async function openWorkshop(cache: string): Promise<Workshop> {
  const workshop = new Workshop(join(cache, 'parts'));
  await workshop.sweep();
  return workshop;
}
