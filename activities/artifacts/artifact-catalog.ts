import pLimit from 'p-limit';
import type { Artifact, ArtifactLock } from '../../cluster/artifacts.js';
import type { ArtifactFile } from '../../cluster/desired-state.js';
import type { CachedFile } from './artifact-cache.js';
import { ArtifactError } from './artifact-error.js';
import { extractMembers } from './extract-members.js';
import { fetchArtifact, type FetchOptions } from './fetch-artifact.js';
import { imageLayer } from './image-layer.js';

/** Artifacts on their way at once. */
const CONCURRENT_ARTIFACTS = 3;

/** The files of a lock file, fetched and unpacked when they are first asked for. */
export class ArtifactCatalog {
  private readonly artifacts: ReadonlyMap<string, Artifact>;

  constructor(
    lock: ArtifactLock,
    private readonly options: Omit<FetchOptions, 'signal' | 'onProgress'>,
  ) {
    this.artifacts = new Map(lock.artifacts.map((artifact) => [artifact.name, artifact]));
  }

  /** The file on this machine, verified. */
  async resolve(file: ArtifactFile, signal?: AbortSignal): Promise<CachedFile> {
    const [resolved] = await this.resolveAll([file], { signal });
    if (resolved === undefined) throw new RangeError(`artifact ${file.artifact} was not resolved`);
    return resolved;
  }

  /**
   * Several files at once, each artifact fetched and unpacked in one pass.
   *
   * @returns the files in the order asked for.
   */
  async resolveAll(
    files: readonly ArtifactFile[],
    progress: Pick<FetchOptions, 'signal' | 'onProgress'> = {},
  ): Promise<CachedFile[]> {
    const names = [...new Set(files.map(({ artifact }) => artifact))];
    const limit = pLimit(CONCURRENT_ARTIFACTS);
    const found = new Map(
      (
        await Promise.all(
          names.map((name) =>
            limit(() =>
              this.resolveArtifact(
                this.artifact(name),
                files.filter(({ artifact }) => artifact === name),
                progress,
              ),
            ),
          ),
        )
      ).flat(),
    );
    return files.flatMap((file) => found.get(keyOf(file)) ?? []);
  }

  private async resolveArtifact(
    artifact: Artifact,
    files: readonly ArtifactFile[],
    progress: Pick<FetchOptions, 'signal' | 'onProgress'>,
  ): Promise<[string, CachedFile][]> {
    const { name, format } = artifact;
    const members = [...new Set(files.map(({ member }) => member).filter((member) => member !== undefined))];
    if (members.length > 0 && format === 'file') throw notAnArchive(artifact, members);
    const options = { ...this.options, ...progress };
    const archive = format === 'oci-image' ? await imageLayer(artifact, options) : artifact;
    const whole = await fetchArtifact(archive, options);
    const unpacked = await extractMembers(this.options.cache, archive, whole, members, progress.signal);
    return [
      [keyOf({ artifact: name }), whole],
      ...[...unpacked].map(([member, file]): [string, CachedFile] => [keyOf({ artifact: name, member }), file]),
    ];
  }

  private artifact(name: string): Artifact {
    const artifact = this.artifacts.get(name);
    if (artifact === undefined) {
      throw new ArtifactError(
        `artifact ${name} is not in the lock file, which has ${[...this.artifacts.keys()].join(', ')}: add it`,
        { retryable: false },
      );
    }
    return artifact;
  }
}

function keyOf({ artifact, member }: ArtifactFile): string {
  return JSON.stringify([artifact, member]);
}

function notAnArchive({ name, format }: Artifact, members: readonly string[]): ArtifactError {
  return new ArtifactError(
    `artifact ${name} has format ${format}, so that ${members.join(', ')} cannot be taken out of it: correct its format in the lock file`,
    { retryable: false },
  );
}
