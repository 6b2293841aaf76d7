import { z } from 'zod';
import { bounded } from '../cluster/bounded.js';
import { PreconditionError } from './activity.js';

/**
 * What activities take from whoever schedules them. A workflow of ours sends what is right; whoever else reaches the task
 * queue sends what he likes, so what becomes a path, a name or a decision is checked where it is used.
 */

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** The part of a request, as it was shown, that says which object it is. */
export const shownRequest = z.object({
  node: z.string().max(63),
  purpose: z.enum(['client', 'serving']),
  /**
   * A name that is a segment of a path, as the API server takes it for requests: a kubelet names its own by a digest in
   * base64url (kubernetes.io, "Object Names and IDs", "Path Segment Names").
   */
  name: z
    .string()
    .regex(/^(?!\.{1,2}$)[^/%\p{C}]+$/u)
    .max(253),
  csrSha256: digest,
});

export const decidedRequest = z.object({
  decision: z.enum(['approve', 'deny']),
  approver: z.string().min(1),
  reason: z.string().optional(),
});

/** How a cluster is removed; the stamp becomes a part of a path on hosts. */
export const removalChoice = z.object({ deleteData: z.boolean(), stamp: z.string().regex(/^\d{8}T\d{6}Z$/) });

/**
 * The argument, if it is what it must be.
 *
 * @throws PreconditionError with what is wrong with it
 */
export function valid<T>(schema: z.ZodType<T>, argument: unknown): T {
  const parsed = schema.safeParse(argument);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PreconditionError(
    bounded(
      `an activity was given an argument that no workflow of ours gives: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    ),
  );
}
