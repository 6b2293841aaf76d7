/** A mistake or a missing thing that the person at the terminal can put right; printed without a stack. */
export class LabError extends Error {
  override readonly name = 'LabError';
}
