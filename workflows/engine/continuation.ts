import type { AnyStep } from '../../cluster/operations/step.js';
import type { Child } from '../messages.js';
import type { ApprovalState } from './approvals.js';
import type { Planned } from './dag.js';
import type { Intervention } from './steering.js';

/** What a run hands to the one that continues it, in the place of its history. Part of an input: it must be JSON. */
export interface Carried<Step extends AnyStep, Facts> {
  readonly steps: readonly Planned<Step>[];
  readonly facts: Facts;
  readonly approvals: ApprovalState;
  /** When each request that waits was first shown to a person, ISO 8601, by its sha256. */
  readonly asked: Readonly<Record<string, string>>;
  readonly children: readonly Child[];
  readonly interventions: readonly Intervention[];
  /** The step that has the turn to disturb the control plane. */
  readonly turn?: string;
  readonly abort?: string;
}

/** The input of a workflow that continues itself as new. */
export type Continued<Input, Step extends AnyStep, Facts> = Input & { readonly carried?: Carried<Step, Facts> };
