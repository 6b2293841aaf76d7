import type { AnyStep } from '../../cluster/operations/step.js';
import type { StepOutcome } from './dag.js';

/** Who does each kind of step of an operation: a forgotten kind is an error of the compiler. */
export type Handlers<Step extends AnyStep> = {
  readonly [Kind in Step['kind']]: (step: Step & { readonly kind: Kind }) => Promise<StepOutcome>;
};

/** Does a step by the handler of its kind. */
export function performer<Step extends AnyStep>(handlers: Handlers<Step>): (step: Step) => Promise<StepOutcome> {
  return (step) => {
    const handler = handlers[step.kind as Step['kind']];
    return handler(step);
  };
}
