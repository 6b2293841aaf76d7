import { mkdir } from 'node:fs/promises';
import type { HostRecord } from '../hosts.js';
import type { LabPaths } from '../paths.js';
import { say, withProgress } from '../progress.js';
import type { ImageParts } from './build.js';
import { pullAsBefore, pullFrom } from './hosts.js';
import { parseReference, Registry } from './registry.js';

/**
 * Does `work` while a registry serves the suite's images to hosts of the lab, which have no way to any other. What this
 * changes on hosts is taken back, however the work ends.
 *
 * @param wanted references that the suite names; those that no conformance test needs are not served
 * @param directory for the registry's files; it must not exist
 */
export async function withServedImages<T>(
  { registry: program, images }: ImageParts,
  wanted: readonly string[],
  paths: LabPaths,
  hosts: readonly HostRecord[],
  directory: string,
  work: () => Promise<T>,
): Promise<T> {
  const served = wanted.map(parseReference).flatMap((reference) => {
    const built = images.get(`${reference.registry}/${reference.path}`);
    return built === undefined ? [] : [{ ...reference, built }];
  });
  const registries = [...new Set(served.map((reference) => reference.registry))];
  await mkdir(directory);
  const registry = await Registry.start(program, directory);
  try {
    await withProgress(`put ${served.length} images into the registry`, async () => {
      for (const { built, path, tag } of served) await registry.push(built, path, tag);
    });
    await pullFrom(paths, hosts, registries, registry.url);
    say(`${hosts.map(({ name }) => name).join(', ')} pull from ${registry.url} first`);
    return await work();
  } finally {
    await pullAsBefore(paths, hosts, registries).finally(() => registry.stop());
  }
}
