import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

/**
 * A cancelled activity is waited for, so that it has cleaned up on its host before the run ends. The SDK calls this its
 * default and sends nothing, which the server's side reads as TRY_CANCEL.
 */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** Looks and small changes: retried quickly, over in seconds. */
export const brief = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds', maximumAttempts: 5 },
});

/** Transfers, package installations and starts: minutes on a slow host, with heartbeats. */
export const long = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds', maximumAttempts: 6 },
});

/** Waits for something that another step or a machine brings about; ended by that, by a person, or by a day. */
export const patient = proxyActivities<Activities>({
  cancellationType,
  startToCloseTimeout: '24 hours',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 1.5, maximumInterval: '10 seconds' },
});
