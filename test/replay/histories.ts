import { readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { historyFromJSON, historyToJSON, type History } from '@temporalio/common/lib/proto-utils.js';

/** Where recorded histories stand, seen from the compiled tests. */
const directory = new URL('../../../test/replay/histories/', import.meta.url);

/** A history that a workflow of today must still be able to continue. */
export interface RecordedHistory {
  readonly name: string;
  readonly workflowType: string;
  readonly workflowId: string;
  readonly history: History;
  /** The file's content, for those who look for what must not be in it. */
  readonly document: unknown;
}

/** Every recorded history, by name. */
export async function readHistories(): Promise<RecordedHistory[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (file) => {
      const document: unknown = JSON.parse(await readFile(new URL(file, directory), 'utf8'));
      const history = historyFromJSON(document);
      const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
      return {
        name: file.replace(/\.json$/, ''),
        workflowType: started?.workflowType?.name ?? '',
        workflowId: started?.workflowId ?? '',
        history,
        document,
      };
    }),
  );
}

/**
 * Fetches the history of a workflow and writes it down for the replay tests, without what belongs to this machine.
 *
 * @returns path of the file
 */
export async function recordHistory(client: Client, workflowId: string, name: string, runId?: string): Promise<string> {
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const document = withoutMachine(JSON.parse(historyToJSON(history)), [
    [process.env['HA_KUBERNETES_HOME'] ?? '', '/srv/ha-kubernetes'],
    [process.cwd(), '/srv/ha-kubernetes'],
    [homedir(), '/srv/operator'],
    [`${userInfo().username}@${hostname()}`, 'operator@host'],
    [`@${hostname()}`, '@host'],
  ]);
  const path = fileURLToPath(new URL(`${name}.json`, directory));
  await writeFile(path, `${JSON.stringify(document, undefined, 1)}\n`);
  return path;
}

/** Every text in a history's document, with what its payloads hold. */
export function textsOf(node: unknown): string[] {
  if (typeof node === 'string') return [node];
  if (typeof node !== 'object' || node === null) return [];
  return isPayload(node) ? [decoded(node.data)] : Object.values(node).flatMap(textsOf);
}

/** Replaces texts everywhere, inside of payloads too, and leaves out what names a process or a place in the code. */
function withoutMachine(node: unknown, replacements: readonly (readonly [string, string])[]): unknown {
  const replaced = (text: string): string =>
    replacements.reduce((now, [from, to]) => (from === '' ? now : now.replaceAll(from, to)), text);
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return replaced(value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    if (isPayload(value)) return { ...value, data: Buffer.from(replaced(decoded(value.data))).toString('base64') };
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key === 'identity') return [key, 'recorded'];
        return [key, key === 'stackTrace' ? '' : walk(inner)];
      }),
    );
  };
  return walk(node);
}

function isPayload(node: object): node is { data: string; metadata: object } {
  return 'data' in node && typeof node.data === 'string' && 'metadata' in node;
}

function decoded(data: string): string {
  return Buffer.from(data, 'base64').toString();
}
