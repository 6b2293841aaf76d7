import { scrub } from '../secret-shapes.js';

export type RemoteErrorKind =
  /** The host refused the key, or the key file cannot be used. */
  | 'auth'
  /** The host is not, or cannot be shown to be, the one that we know. */
  | 'host-key'
  /** The host and we have no cryptographic algorithm in common. */
  | 'algorithms'
  /** No SSH session came about: refused, no route, no answer in time. */
  | 'unreachable'
  /** The command did not end by its deadline and was killed. */
  | 'timeout'
  /** The caller's abort signal fired; the command was killed. */
  | 'cancelled'
  /** The command ended by itself with an exit code other than 0. */
  | 'exit'
  /** The session ended without an exit code: the outcome is unknown, so the state must be observed again. */
  | 'connection-lost';

/**
 * Exit code by which a remote script says that trying again cannot help (EX_CONFIG of sysexits.h). Every other code is
 * retryable, because what a host refuses now (a lock, a full disk, a mirror that is down) it may accept later.
 */
export const PERMANENT_EXIT_CODE = 78;

/** What no retry changes. */
const permanent: readonly RemoteErrorKind[] = ['auth', 'host-key', 'algorithms'];

export interface RemoteErrorFields {
  readonly host: string;
  readonly kind: RemoteErrorKind;
  /** One sentence without the host's name; at most the last words of the remote output may be part of it. */
  readonly reason: string;
  readonly exitCode?: number;
  /** Everything that the command printed, for the log only. */
  readonly output?: string;
}

/**
 * The one error of everything remote, after execa's model: `message` is for people and for Temporal's history, `output`
 * is for the log. Both are scrubbed, so that a command that prints a key does not publish it.
 */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly host: string;
  readonly kind: RemoteErrorKind;
  readonly shortMessage: string;
  readonly retryable: boolean;
  readonly exitCode: number | undefined;
  readonly output: string | undefined;

  constructor({ host, kind, reason, exitCode, output }: RemoteErrorFields) {
    const shortMessage = scrub(`${host}: ${reason}`);
    super(shortMessage);
    this.host = host;
    this.kind = kind;
    this.shortMessage = shortMessage;
    this.retryable = !permanent.includes(kind) && exitCode !== PERMANENT_EXIT_CODE;
    this.exitCode = exitCode;
    this.output = output === undefined ? undefined : scrub(output);
  }
}

/** More than this of a line nobody reads; the log has all of it. */
const MAX_WORDS = 300;

/** What programs print when something fails: their own name, and why. */
const complaint = /^[a-z][a-z0-9_.-]*: \S/;

/**
 * What a failed command said last, scrubbed as part of its whole: the last line that is not blank, with the complaint
 * of a program before it, which knows why; undefined when it said nothing.
 */
export function lastWords(text: string): string | undefined {
  const lines = scrub(text)
    .split('\n')
    .map((line) => line.trim().slice(0, MAX_WORDS))
    .filter((line) => line !== '');
  const [before, last] = [lines.at(-2), lines.at(-1)];
  return last !== undefined && before !== undefined && complaint.test(before)
    ? `${last} (${before.slice(0, 200)})`
    : last;
}
