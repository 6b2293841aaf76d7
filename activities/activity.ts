import { setMaxListeners } from 'node:events';
import {
  ApplicationFailure,
  activityInfo,
  CancelledFailure,
  cancellationSignal,
  heartbeat,
} from '@temporalio/activity';
import type { Logger } from 'pino';
import { bounded } from '../cluster/bounded.js';
import { UnknownHostError } from '../cluster/topology.js';
import { ArtifactError } from './artifacts/artifact-error.js';
import { PkiError } from './certificates/ensure-pki.js';
import { KubernetesError } from './kubernetes/kubernetes-error.js';
import { withRemedy } from './remedies.js';
import { scrub } from './secret-shapes.js';
import { RemoteError } from './ssh/errors.js';

/** Less than a third of the heartbeat timeout (workflows/activities.ts), so that two may be lost. */
const HEARTBEAT_MS = 3_000;

/** Longest message of a failure, which may be several sentences, in characters. */
const MESSAGE = 1_000;

/** What an activity knows of its own execution. */
export interface Execution {
  /** Aborted when the workflow cancels the activity or the worker stops. */
  readonly signal: AbortSignal;
  /** Says what is being done; carried by the heartbeats, so what looks like a secret is removed. */
  readonly progress: (text: string) => void;
  /** Counted from 1. */
  readonly attempt: number;
}

/** A rule of the deployment that a retry cannot change; its message says what, the value, what is allowed, the fix. */
export class PreconditionError extends Error {}

/** Something that is not there yet; asked again by the retry policy. */
export class NotYetError extends Error {}

/** A short attempt of a wait that has not seen it yet: nothing has failed, and the retry policy looks again. */
export class StillWaitingError extends Error {}

/**
 * Makes an activity of a function: heartbeats while it runs, the number of attempts in its result, and one kind of
 * failure: a short message for people and the history, everything else for the log alone.
 */
export function activity<Args extends unknown[], Result extends object>(
  log: Logger,
  perform: (execution: Execution, ...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result & { attempts: number }> {
  return async (...args) => {
    const { attempt, activityType } = activityInfo();
    const signal = cancellationSignal();
    // As many things as one activity does side by side listen to it, such as the packages of a host.
    setMaxListeners(0, signal);
    let doing = '';
    const beat = setInterval(() => {
      heartbeat(doing);
    }, HEARTBEAT_MS);
    try {
      const result = await perform({ signal, progress: (text) => (doing = bounded(scrub(text))), attempt }, ...args);
      return { ...withBoundedTexts(result), attempts: attempt };
    } catch (error) {
      if (signal.aborted) throw new CancelledFailure('the activity was cancelled');
      const failure = asFailure(error);
      const output = error instanceof RemoteError ? error.output : undefined;
      const about = { activity: activityType, attempt, retryable: failure.nonRetryable !== true, output };
      // A wait is many attempts, and none of them is trouble.
      if (error instanceof StillWaitingError) log.debug(about, failure.message);
      else log.warn(about, failure.message);
      throw failure;
    } finally {
      clearInterval(beat);
    }
  };
}

/** {@link activity}, for one that waits: it looks once more as often as it must, which nobody counts as failed attempts. */
export function waitingActivity<Args extends unknown[], Result extends object>(
  log: Logger,
  look: (execution: Execution, ...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result & { attempts: number }> {
  const attempt = activity(log, look);
  return async (...args) => ({ ...(await attempt(...args)), attempts: 1 });
}

/** A result with every text in it as long as it may be: what hosts and kubelets say goes into histories here. */
function withBoundedTexts<T>(value: T): T {
  if (typeof value === 'string') return bounded(value) as T;
  if (Array.isArray(value)) return value.map(withBoundedTexts) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withBoundedTexts(inner)])) as T;
}

/** The place that knows for each kind of error whether a retry can help, and the last before Temporal keeps its words. */
function asFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const failure = (type: string, message: string, retryable: boolean): ApplicationFailure =>
    ApplicationFailure.create({
      type,
      message: withRemedy(bounded(scrub(message), MESSAGE)),
      nonRetryable: !retryable,
    });
  if (error instanceof RemoteError) return failure(`Remote:${error.kind}`, error.message, error.retryable);
  if (error instanceof ArtifactError) return failure('Artifact', error.message, error.retryable);
  if (error instanceof KubernetesError) return failure('Kubernetes', error.message, error.retryable);
  if (error instanceof NotYetError) return failure('NotYet', error.message, true);
  if (error instanceof StillWaitingError) return failure('StillWaiting', error.message, true);
  if (error instanceof PkiError) return failure('Pki', error.message, false);
  if (error instanceof PreconditionError || error instanceof UnknownHostError) {
    return failure('Precondition', error.message, false);
  }
  // What nobody foresaw is most often passing; it is retried, and its stack stays in the log.
  return failure('Unexpected', error instanceof Error ? error.message : String(error), true);
}
