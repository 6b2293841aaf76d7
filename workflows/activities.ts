import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

/**
 * A cancelled activity is waited for, so that it has cleaned up on its host before the run ends. The SDK calls this its
 * default and sends nothing, which the server's side reads as TRY_CANCEL.
 */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/**
 * How long after its last word an activity counts as dead with its worker, and is given to another: most of what a
 * killed worker costs a run. Activities beat every 3 s, so two beats may be lost to a busy machine or to a Temporal
 * server that restarts. Should a living activity be taken for dead all the same, its next beat is refused and ends it,
 * with its command on the host; until then, for 3 s at most, two attempts look at one host, and the one that finds its
 * files taken away fails and is tried again.
 */
const heartbeatTimeout = '10 seconds';

/**
 * How often a failed activity is tried again before its step is held: often enough for a host that restarts, for a
 * minute or more, and for a worker that is killed again and again, as each of its deaths is an attempt too.
 */
const retry = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '10 seconds',
  maximumAttempts: 10,
} as const;

/** Looks and small changes: over in seconds. */
export const brief = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout,
  retry,
});

/** Transfers, package installations and starts: minutes on a slow host, with heartbeats. */
export const long = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout,
  retry,
});

/** Looks of workflows that change nothing: nobody loses work when one fails, so it fails soon. */
export const looks = proxyActivities<Activities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout,
  retry: { maximumAttempts: 3 },
});

/**
 * Waits are short attempts: each looks for about a second, and gives its slot of the worker back until the next. So the
 * steps that bring about what is waited for are never kept from starting, however many wait
 * (https://github.com/temporalio/samples-typescript/tree/main/polling/infrequent).
 */
const attempts = {
  initialInterval: '250 milliseconds',
  backoffCoefficient: 1.3,
  maximumInterval: '3 seconds',
} as const;

/** Matching gives what has work to do precedence over what only looks; 3 is what everything else has. */
const priority = { priorityKey: 4 };

/** Waits for something that another step or a person brings about; ended by that, by a person, or by a day. */
export const patient = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '24 hours',
  heartbeatTimeout,
  retry: attempts,
  priority,
});

/** Waits for what a machine does by itself within minutes; it is in trouble if it does not. */
export const expectant = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '2 minutes',
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout,
  retry: attempts,
  priority,
});
