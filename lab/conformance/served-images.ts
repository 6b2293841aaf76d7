import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostRecord } from '../hosts.js';
import type { LabPaths } from '../paths.js';
import { withProgress } from '../progress.js';
import type { ImageParts } from './build.js';
import { whilePullingFrom } from './hosts.js';
import { mirrorHasLess } from './images.js';
import { parseReference, Registry } from './registry.js';

/**
 * Does `work` while a registry serves the suite's images to hosts of the lab, which have no way to any other. What this
 * changes on hosts is taken back, however the work ends.
 *
 * @param wanted references that the suite names; those that no conformance test needs are not served
 */
export async function withServedImages<T>(
  { registry: program, images }: ImageParts,
  wanted: readonly string[],
  paths: LabPaths,
  hosts: readonly HostRecord[],
  work: () => Promise<T>,
): Promise<T> {
  const served = wanted.map(parseReference).flatMap((reference) => {
    const built = images.get(`${reference.registry}/${reference.path}`);
    return built === undefined ? [] : [{ ...reference, built }];
  });
  const registries = [...new Set(served.map((reference) => reference.registry))];
  const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-registry-'));
  try {
    const registry = await Registry.start(program, directory);
    try {
      await withProgress(`put ${served.length} images into the registry`, async () => {
        for (const { built, path, tag } of served) await registry.push(built, path, tag);
      });
      const fuller = served.flatMap(({ registry: name, path, tag }) =>
        mirrorHasLess.includes(`${name}/${path}`) ? [`${name}/${path}:${tag}`] : [],
      );
      return await whilePullingFrom(registry.url, registries, paths, hosts, fuller, work);
    } finally {
      await registry.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
