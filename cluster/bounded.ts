/** Longest sentence, in characters, that is kept in a history, a status or an object of the cluster. */
export const SENTENCE = 300;

/**
 * A text of whatever length, as it may be kept: what hosts, kubelets and senders say is as long as they want, and a run
 * whose state passes Temporal's limit for a payload (2 MiB) can neither go on nor be asked.
 */
export function bounded(text: string, length = SENTENCE): string {
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
