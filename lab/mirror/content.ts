import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { dockerArchive } from './docker-archive.js';
import type { ArtifactPlan, Content, RootfsPart } from './plan.js';
import { rootfsEntries } from './rootfs.js';
import type { Step } from './step.js';
import { writeTar } from './tar.js';

const ARTIFACT = 'artifact';
const DIGEST = 'sha256';

/** A built artifact: its file and its digest. */
export interface BuiltFile {
  readonly file: string;
  readonly sha256: string;
}

/** The step that packs an artifact; its output is one file and the file's digest, so that nobody hashes it twice. */
export function artifactStep(artifact: ArtifactPlan, sources: Readonly<Record<string, Step>>): Step {
  const { content } = artifact;
  const inputs = Object.fromEntries(
    [...new Set(sourcesOf(content))].map((source) => {
      const step = sources[source];
      if (step === undefined) throw new RangeError(`artifact ${artifact.name} refers to an unknown source "${source}"`);
      return [source, step];
    }),
  );
  return {
    name: `artifact-${artifact.name}`,
    recipe: content,
    code: ['content.js', 'docker-archive.js', 'image.js', 'rootfs.js', 'tar.js'].map((file) =>
      join(import.meta.dirname, file),
    ),
    inputs,
    run: async ({ output, inputs: directories }) => {
      const file = join(output, ARTIFACT);
      await writeContent(content, directories, file);
      await writeFile(join(output, DIGEST), await sha256OfFile(file));
    },
  };
}

/** What an {@link artifactStep} left in its output directory. */
export async function builtFile(output: string): Promise<BuiltFile> {
  return { file: join(output, ARTIFACT), sha256: await readFile(join(output, DIGEST), 'utf8') };
}

/** Digest of a file, lower-case hexadecimal. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function writeContent(
  content: Content,
  directories: Readonly<Record<string, string>>,
  file: string,
): Promise<void> {
  switch (content.kind) {
    case 'file':
      await copyFile(join(directories[content.file.source] ?? '', content.file.path), file);
      break;
    case 'tar.gz': {
      const entries = Object.entries(content.members).map(([path, member]) => ({
        kind: 'file' as const,
        path,
        mode: 0o755,
        content: { file: join(directories[member.source] ?? '', member.path) },
      }));
      // Made to be unpacked on the same machine or its network: the fastest level, not the smallest file.
      const gzip = createGzip({ level: 1 });
      await Promise.all([writeTar(entries, gzip), pipeline(gzip, createWriteStream(file))]);
      break;
    }
    case 'image': {
      const entries = await rootfsEntries(content.rootfs, directories);
      await writeFile(file, await dockerArchive(content.reference, content.config, entries));
      break;
    }
  }
}

function sourcesOf(content: Content): string[] {
  switch (content.kind) {
    case 'file':
      return [content.file.source];
    case 'tar.gz':
      return Object.values(content.members).map(({ source }) => source);
    case 'image':
      return rootfsSources(content.rootfs);
  }
}

/** The sources whose files an image's parts take, as often as they do. */
export function rootfsSources(rootfs: readonly RootfsPart[]): string[] {
  return rootfs.flatMap(partSources);
}

function partSources(part: RootfsPart): string[] {
  switch (part.kind) {
    case 'file':
    case 'busybox':
      return [part.from.source];
    case 'tree':
      return [part.source];
    case 'text':
    case 'symlink':
    case 'directory':
      return [];
  }
}
