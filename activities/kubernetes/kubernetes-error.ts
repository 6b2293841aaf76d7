import { ApiException } from '@kubernetes/client-node';

/** A request to the Kubernetes API that did not succeed; the message is short and holds no request body. */
export class KubernetesError extends Error {
  constructor(
    message: string,
    readonly retryable: boolean,
    /** HTTP status, when there was an answer. */
    readonly status?: number,
  ) {
    super(message);
  }
}

/** Whether the API answered that the object does not exist. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** HTTP status of an answer, or undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof ApiException) return error.code;
  return error instanceof KubernetesError ? error.status : undefined;
}

/** One shape for every failure of a request. */
export function toKubernetesError(what: string, error: unknown): KubernetesError {
  if (error instanceof KubernetesError) return error;
  const status = statusOf(error);
  if (status === undefined) {
    return new KubernetesError(`${what}: ${error instanceof Error ? error.message : String(error)}`, true);
  }
  // Conflicts, throttling and server errors pass; what the API calls wrong stays wrong. RBAC is filled in a moment
  // after an API server's first start, so a refusal may pass too; and what an API server cannot ask of an etcd that has
  // just died (an address for a Service) it calls invalid.
  const reason = reasonIn(error);
  const passing = [403, 404, 409, 429].includes(status) || status >= 500 || /\b(rpc error|etcdserver):/.test(reason);
  return new KubernetesError(`${what}: the API answered ${status} ${reason}`, passing, status);
}

function reasonIn(error: unknown): string {
  const body = error instanceof ApiException ? (error.body as unknown) : undefined;
  try {
    const parsed: unknown = typeof body === 'string' ? JSON.parse(body) : body;
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      return String(parsed.message).slice(0, 300);
  } catch {
    // Not JSON, so there is no message to show.
  }
  return '';
}
