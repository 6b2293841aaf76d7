import { join } from 'node:path';
import { Apt } from './apt.js';
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

/** apt with package lists of its own, below the cache of the builds. */
export function openApt(cache: string, codename: string): Promise<Apt> {
  return Apt.open(join(cache, 'apt'), codename);
}
