import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { ArtifactCache } from './activities/artifacts/artifact-cache.js';
import { ClusterContexts } from './activities/cluster-context.js';
import { createActivities } from './activities/index.js';
import { openStateStore } from './activities/state-store/file-state-store.js';
import { temporalServer } from './temporal.js';
import { TASK_QUEUE } from './workflows/messages.js';

/** Longest step that a stopping worker waits for; what is not done by then is tried again by another worker. */
const SHUTDOWN_GRACE = '20 seconds';

/** Composes the worker: state store, connections, activities and workflows; runs until it is told to stop. */
async function main(): Promise<void> {
  const log = pino({ name: 'worker', level: process.env.HA_KUBERNETES_LOG_LEVEL ?? 'info' });
  Runtime.install({
    logger: {
      // Temporal's own lines go where ours go, in the same form.
      log: (level, message, meta) =>
        log[level === 'TRACE' ? 'trace' : (level.toLowerCase() as 'info')](meta ?? {}, message),
      trace: (message, meta) => log.trace(meta ?? {}, message),
      debug: (message, meta) => log.debug(meta ?? {}, message),
      info: (message, meta) => log.info(meta ?? {}, message),
      warn: (message, meta) => log.warn(meta ?? {}, message),
      error: (message, meta) => log.error(meta ?? {}, message),
    },
    shutdownSignals: ['SIGINT', 'SIGTERM'],
  });
  const store = await openStateStore();
  const cache = await ArtifactCache.open(store.artifactsDirectory);
  const contexts = new ClusterContexts(store, cache, log);
  const { connectionOptions, address, namespace, unreachable } = temporalServer();
  const connection = await NativeConnection.connect(connectionOptions).catch((cause: unknown) => {
    throw new Error(unreachable, { cause });
  });
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: TASK_QUEUE,
      workflowBundle: { codePath: await workflowBundle() },
      activities: createActivities({ store, cache, contexts, log }),
      shutdownGraceTime: SHUTDOWN_GRACE,
      shutdownForceTime: '30 seconds',
      // Every beat is sent, for the heartbeat timeout is a few of them long; a cancelled activity hears of it as soon.
      maxHeartbeatThrottleInterval: '3 seconds',
      // How long a run waits for the worker that has it in its memory. When that one is dead, another replays the
      // history, which takes some tens of milliseconds: little to pay for a worker that was only slow.
      stickyQueueScheduleToStartTimeout: '3 seconds',
      // Bounds memory: a run that is not cached is replayed.
      maxCachedWorkflows: 100,
      maxConcurrentActivityTaskExecutions: 50,
    });
    log.info({ taskQueue: TASK_QUEUE, address }, 'the worker is ready');
    await worker.run();
  } finally {
    await contexts.close();
    await connection.close();
  }
}

/** The workflows as `npm run build` bundles them; made by this very version of the code, or not at all. */
async function workflowBundle(): Promise<string> {
  const path = fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  await access(path).catch(() => {
    throw new Error(`the bundle of the workflows is missing (${path}): run npm run build`);
  });
  return path;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  // Something may still be open of what was begun.
  process.exit(1);
}
