import { bounded } from '../../cluster/bounded.js';

/** What a person tells a run beside decisions about certificate requests; with who, and why, like those. */
export type SteeringKind = 'retry-step' | 'skip-step' | 'abort' | 'host-back';

export interface Said {
  readonly by: string;
  readonly why: string;
}

export interface StepAnswer extends Said {
  /** Id of a held step. */
  readonly step: string;
}

export interface HostBack extends Said {
  readonly host: string;
}

/** Something that a person told a run, and that the run has acted on. */
export interface Intervention extends Said {
  /** ISO 8601. */
  readonly at: string;
  readonly kind: SteeringKind;
  /** The step or the host; empty for an abort. */
  readonly about: string;
}

/** Longest name of a person. */
const NAME = 100;

/** Names by which the record tells what no person has decided. */
const reserved = ['inventory', 'deadline', 'ha-kubernetes'];

/** Why nobody can go by that name; undefined for one that is fine. */
export function problemOfName(name: string): string | undefined {
  if (name.trim() === '') return 'nobody is named: say who you are';
  if (name.length > NAME) return `a name of ${name.length} characters; allowed: ${NAME}`;
  if (/\p{C}/u.test(name)) return 'a name with control characters; write your own';
  return reserved.includes(name.trim().normalize('NFKC').toLowerCase())
    ? `"${name}" is what a rule is called in the record; write your own name`
    : undefined;
}

/** What a message of that kind says; or, as a text, why it says nothing. A signal can carry anything. */
export function readSteering(kind: SteeringKind, message: unknown): Omit<Intervention, 'at'> | string {
  const field = kind === 'abort' ? undefined : kind === 'host-back' ? 'host' : 'step';
  const { by, why, ...rest } = (typeof message === 'object' ? (message ?? {}) : {}) as Record<string, unknown>;
  const about = field === undefined ? '' : rest[field];
  if (typeof by !== 'string' || typeof why !== 'string' || typeof about !== 'string' || why.trim() === '') {
    return `${kind} says who and why; send {${field === undefined ? '' : `"${field}": ..., `}"by": your name, "why": ...}`;
  }
  return problemOfName(by) ?? { kind, about: bounded(about, 200), by, why: bounded(why) };
}
