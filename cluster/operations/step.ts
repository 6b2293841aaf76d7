/** What a step does and where. In one plan no two steps have the same name and host. */
export interface StepAction {
  readonly kind: string;
  readonly host?: string;
  /** What people call it, where a plan has several of a kind on one host: a component, a phase. */
  readonly name?: string;
}

/** One vertex of an operation's plan: data, for it travels from the worker's activity to the workflow. */
export type StepOf<Action extends StepAction> = Action & {
  /** `name:host`; what people answer a held step by. */
  readonly id: string;
  /** A sentence for people: progress, the Temporal UI and the reports all show this one. */
  readonly title: string;
  /** Ids of the steps that must be done first. */
  readonly needs: readonly string[];
};

/** What any step can be taken for. */
export type AnyStep = StepOf<StepAction>;

/** The step that does `action` once all of `needs` are done. */
export function step<const Action extends StepAction>(
  action: Action,
  title: string,
  needs: readonly Pick<AnyStep, 'id'>[],
): StepOf<Action> {
  return { ...action, id: idOf(action), title, needs: needs.map(({ id }) => id) };
}

function idOf({ kind, name = kind, host }: StepAction): string {
  return host === undefined ? name : `${name}:${host}`;
}

/** One step for each of some hosts. */
export interface PerHost<Step> {
  readonly all: readonly Step[];
  /** @throws RangeError for a host that has none: the plan is wrong, not the spec */
  readonly of: (host: { readonly name: string }) => Step;
}

export function perHost<Host extends { readonly name: string }, Step extends AnyStep>(
  hosts: readonly Host[],
  make: (host: Host) => Step,
): PerHost<Step> {
  const steps = new Map(hosts.map((host) => [host.name, make(host)]));
  return {
    all: [...steps.values()],
    of: ({ name }) => {
      const found = steps.get(name);
      if (found === undefined) throw new RangeError(`there is no such step for ${name}`);
      return found;
    },
  };
}

/** Each step after the one before, and the first at once. */
export function inTurn<Action extends StepAction>(steps: readonly (readonly [Action, string])[]): StepOf<Action>[] {
  const done: StepOf<Action>[] = [];
  for (const [action, title] of steps) done.push(step(action, title, done.slice(-1)));
  return done;
}
