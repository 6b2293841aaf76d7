/** Fetches one artifact in a process of its own, which a test kills; says on standard output when bytes arrive. */
import { ArtifactCache } from '../../activities/artifacts/artifact-cache.js';
import { fetchArtifact } from '../../activities/artifacts/fetch-artifact.js';
import type { Artifact } from '../../cluster/artifacts.js';

const [directory = '', mirror = '', artifact = ''] = process.argv.slice(2);
await fetchArtifact(JSON.parse(artifact) as Artifact, {
  cache: await ArtifactCache.open(directory),
  mirror,
  onProgress: ({ received }) => {
    process.stdout.write(`${received}\n`);
  },
});
