import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Exec, type V1Status } from '@kubernetes/client-node';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.js';
import { lastWords } from '../ssh/errors.js';
import { APPLICATION, NAMESPACE } from './application.js';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Why it failed, in a few words; empty when it passed. */
  readonly detail: string;
}

const CHECK_DEADLINE_MS = 30_000;

/**
 * Tries until it succeeds or the deadline has passed, for a new Service takes a moment to reach every node.
 *
 * @param attempt - resolves to undefined on success, else to the reason
 */
export async function check(
  name: string,
  attempt: () => Promise<string | undefined>,
  signal: AbortSignal,
  deadlineMs = CHECK_DEADLINE_MS,
): Promise<Check> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const detail = await attempt().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (detail === undefined) return { name, ok: true, detail: '' };
    if (Date.now() > deadline) return { name, ok: false, detail };
    await delay(500, undefined, { signal });
  }
}

/** Runs a command in a pod of the test application; resolves to undefined on success, else to the reason. */
export async function execute(
  kubernetes: KubernetesApi,
  pod: string,
  command: readonly string[],
): Promise<string | undefined> {
  return kubernetes.request(`run ${command[0] ?? ''} in ${pod}`, async (config) => {
    const output = new PassThrough();
    let text = '';
    output.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(-200)));
    return new Promise<string | undefined>((resolve, reject) => {
      const ended = ({ status }: V1Status): void => {
        resolve(status === 'Success' ? undefined : (lastWords(text) ?? 'the command failed'));
      };
      new Exec(config)
        .exec(NAMESPACE, pod, APPLICATION, [...command], output, output, null, false, ended)
        .catch(reject);
    });
  });
}
