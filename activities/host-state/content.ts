import { createHash } from 'node:crypto';
import type { FileContent, HostState } from '../../cluster/desired-state.js';
import { filesOf, type ResolvedFile } from '../../cluster/host-diff.js';
import type { ReferencedContent, ResolvedContent } from '../content.js';

/** Finds the bytes of any content. */
export interface ContentResolver {
  resolve(content: FileContent): Promise<ResolvedContent>;
}

/** Resolves text and blocks, which carry their bytes, and leaves what the desired state only refers to to `references`. */
export function withText(references: {
  resolve(content: ReferencedContent): Promise<ResolvedContent>;
}): ContentResolver {
  return {
    resolve: (content) => {
      switch (content.kind) {
        case 'text':
          return Promise.resolve(inMemory(content.text));
        case 'block':
          // The markers stand on lines of their own, so what is between them is whole lines.
          return Promise.resolve(inMemory(`${content.text.trimEnd()}\n`));
        default:
          return references.resolve(content);
      }
    },
  };
}

function inMemory(text: string): ResolvedContent {
  const bytes = Buffer.from(text);
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, open: () => bytes };
}

/** One file to be, with its bytes within reach. */
export interface FileWithContent {
  readonly file: ResolvedFile;
  readonly content: ResolvedContent;
}

/** All files of a state, resolved. */
export async function resolveFiles(
  state: Pick<HostState, 'files' | 'kernel'>,
  resolver: ContentResolver,
): Promise<FileWithContent[]> {
  return Promise.all(
    filesOf(state).map(async ({ path, mode, owner, content }) => {
      const resolved = await resolver.resolve(content);
      const form = content.kind === 'block' ? 'block' : 'whole';
      return { file: { path, mode, owner, form, sha256: resolved.sha256 }, content: resolved };
    }),
  );
}
