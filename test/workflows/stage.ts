import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { StatusReader } from '../../client/run-status.js';
import type { StepRecord } from '../../workflows/engine/dag.js';
import type * as workflows from '../../workflows/index.js';
import { clusterWorkflowId, nodeWorkflowId, statusQuery, type RunStatus } from '../../workflows/messages.js';
import { startTemporalServer, type ServerKind } from '../support/temporal-server.js';
import type { Mock } from './mock-activities.js';

/** Longest time that something which should happen at once may take on a busy machine, in milliseconds. */
const SOON_MS = 20_000;

/** Longest time that one run may take, so that what hangs is a failure. */
const PLAY_MS = 60_000;

/** One run of a workflow, with its worker and a cluster of its own. */
export interface Play<Workflow extends keyof typeof workflows> {
  readonly cluster: string;
  readonly handle: WorkflowHandle<(typeof workflows)[Workflow]>;
  /** The result, once there is one, with every step of the run and of what it started. */
  readonly finished: () => Promise<WorkflowResult<Workflow> & { readonly steps: readonly StepRecord[] }>;
  /** The child that joins a node. */
  readonly child: (host: string) => WorkflowHandle;
  readonly status: (of?: WorkflowHandle) => Promise<RunStatus>;
  /** Waits until the status is as wanted; fails with the last one that was seen. */
  readonly until: (wanted: (status: RunStatus) => boolean, of?: WorkflowHandle) => Promise<RunStatus>;
  /** Waits until the step is in that state. */
  readonly step: (id: string, state: StepRecord['state'], of?: WorkflowHandle) => Promise<StepRecord>;
}

type WorkflowResult<Workflow extends keyof typeof workflows> = Awaited<ReturnType<(typeof workflows)[Workflow]>>;

export interface Stage {
  readonly env: TestWorkflowEnvironment;
  play<Workflow extends keyof typeof workflows, Result>(
    workflow: Workflow,
    mock: Mock,
    body: (play: Play<Workflow>) => Promise<Result>,
    input?: object,
    options?: { readonly slots?: number; readonly patienceMs?: number },
  ): Promise<Result>;
}

/**
 * A Temporal server for the tests of this file, with the workflows bundled once.
 *
 * @param serverArgs - further arguments of the development server
 * @returns the stage, to be asked for inside of tests
 */
export function openStage(kind: ServerKind, serverArgs: readonly string[] = []): () => Stage {
  let stage: Stage | undefined;
  before(async () => {
    stage = await startStage(kind, serverArgs);
  });
  after(() => stage?.env.teardown());
  return () => {
    assert.ok(stage !== undefined, 'the stage is open inside of tests only');
    return stage;
  };
}

/** Starts a server and bundles the workflows; whoever starts it tears `env` down. */
export async function startStage(kind: ServerKind, serverArgs: readonly string[] = []): Promise<Stage> {
  // What goes wrong on purpose is no news.
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  const [env, bundle] = await Promise.all([
    startTemporalServer(kind, serverArgs),
    bundleWorkflows(fileURLToPath(new URL('../../workflows/index.js', import.meta.url))),
  ]);
  return { env, play: player(env, bundle) };
}

/** Bundles the workflows that a compiled module exports. */
export function bundleWorkflows(workflowsPath: string): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
}

function player(env: TestWorkflowEnvironment, bundle: WorkflowBundleWithSourceMap): Stage['play'] {
  return async (workflow, mock, body, input = {}, { slots = 50, patienceMs = PLAY_MS } = {}) => {
    const cluster = `test-${randomUUID().slice(0, 8)}`;
    const worker = await Worker.create({
      connection: env.nativeConnection,
      taskQueue: cluster,
      workflowBundle: bundle,
      activities: mock.activities,
      maxConcurrentActivityTaskExecutions: slots,
      // Cancellation comes with the answer to a heartbeat.
      maxHeartbeatThrottleInterval: '50ms',
      defaultHeartbeatThrottleInterval: '50ms',
      // An activity that a failed test has left waiting does not keep the others from running.
      shutdownForceTime: '5 seconds',
    });
    return worker.runUntil(async () => {
      const handle = await env.client.workflow.start(workflow as string, {
        workflowId: clusterWorkflowId(cluster),
        taskQueue: cluster,
        args: [{ cluster, specDigest: 'digest', approvalDeadlineSeconds: 86_400, ...input }],
      });
      return Promise.race([body(playOf(env, cluster, handle as never)), tooLate(workflow, patienceMs)]);
    });
  };
}

function playOf<Workflow extends keyof typeof workflows>(
  env: TestWorkflowEnvironment,
  cluster: string,
  handle: WorkflowHandle<(typeof workflows)[Workflow]>,
): Play<Workflow> {
  const status = (of: WorkflowHandle = handle): Promise<RunStatus> => of.query(statusQuery);
  const until = async (wanted: (status: RunStatus) => boolean, of: WorkflowHandle = handle): Promise<RunStatus> => {
    const deadline = Date.now() + SOON_MS;
    for (;;) {
      // A child may not have been started yet.
      const seen = await status(of).catch(() => undefined);
      if (seen !== undefined && wanted(seen)) return seen;
      if (Date.now() > deadline) assert.fail(`the status did not come to be as wanted: ${JSON.stringify(seen)}`);
      await delay(30);
    }
  };
  return {
    cluster,
    handle,
    finished: async () => {
      const result = (await handle.result()) as WorkflowResult<Workflow>;
      const { steps } = await new StatusReader(env.client, cluster).read();
      return { ...result, steps };
    },
    child: (host) => env.client.workflow.getHandle(nodeWorkflowId(cluster, host)),
    status,
    until,
    step: async (id, state, of) => {
      const stepOf = ({ steps }: RunStatus): StepRecord | undefined =>
        steps.find((step) => step.id === id && step.state === state);
      const found = stepOf(await until((seen) => stepOf(seen) !== undefined, of));
      assert.ok(found);
      return found;
    },
  };
}

/** Fails once a run has taken too long; does not keep the process alive. */
async function tooLate(workflow: string, patienceMs: number): Promise<never> {
  await delay(patienceMs, undefined, { ref: false });
  return assert.fail(`${workflow} did not come to its end within ${patienceMs / 1000} s`);
}

/** The failure with which a workflow must end. */
export async function failureOf(result: Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await result;
  } catch (error) {
    assert.ok(error instanceof WorkflowFailedError, String(error));
    assert.ok(error.cause instanceof ApplicationFailure, String(error.cause));
    return error.cause;
  }
  return assert.fail('the workflow did not fail');
}

/** Waits until something has happened in an activity. */
export async function eventually(happened: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + SOON_MS;
  while (!happened()) {
    if (Date.now() > deadline) assert.fail(`it did not happen: ${what}`);
    await delay(20);
  }
}
