/** An artifact could not be had. `retryable` says whether asking again may help without anybody changing anything. */
export class ArtifactError extends Error {
  readonly retryable: boolean;

  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}
