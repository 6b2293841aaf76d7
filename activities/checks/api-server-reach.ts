import { CoreV1Api } from '@kubernetes/client-node';
import type { KubernetesApi } from '../kubernetes/kubernetes-api.js';
import { objects } from '../kubernetes/objects.js';
import { APPLICATION, HTTP_PORT, NAMESPACE, WEBHOOK_LABEL } from './application.js';
import { check, execute, type Check } from './check.js';
import type { RunningApplication } from './running-application.js';

/** What agnhost's webhook says of every request. */
const REFUSAL = 'this webhook denies all requests';

/**
 * Whether one API server reaches what admission webhooks, aggregated APIs and `kubectl proxy` need: a pod, a Service, a
 * webhook and a command in a pod; asked of that server alone.
 *
 * @param kubernetes - of any number of servers, that of `master` among them
 */
export function apiServerReach(
  kubernetes: KubernetesApi,
  master: string,
  running: Pick<RunningApplication, 'pods'>,
  signal: AbortSignal,
): Promise<Check> {
  const asked = Object.values(probes(kubernetes.only(master), running));
  return check(
    `pod, Service, webhook and exec through the API server of ${master}`,
    async () => (await Promise.all(asked.map((ask) => ask()))).find((problem) => problem !== undefined),
    signal,
  );
}

/** One question each; a probe resolves to undefined on success, else to the reason. */
export function probes(
  server: KubernetesApi,
  { pods }: Pick<RunningApplication, 'pods'>,
): Record<'pod' | 'Service' | 'webhook' | 'exec', () => Promise<string | undefined>> {
  // The pod farthest from the one that other checks ask from.
  const pod = pods.at(-1)?.name ?? '';
  return {
    pod: () => podAnswers(server, pod),
    Service: () => serviceAnswers(server),
    webhook: () => webhookRefuses(server),
    exec: () => execute(server, pod, ['true']),
  };
}

function podAnswers(server: KubernetesApi, pod: string): Promise<string | undefined> {
  return server.request(`ask pod ${pod}`, async (config) => {
    const name = `${pod}:${HTTP_PORT}`;
    const answer = await config.makeApiClient(CoreV1Api).connectGetNamespacedPodProxy({ name, namespace: NAMESPACE });
    return answer === pod ? undefined : `pod ${pod} did not answer with its name`;
  });
}

function serviceAnswers(server: KubernetesApi): Promise<string | undefined> {
  return server.request(`ask Service ${APPLICATION}`, async (config) => {
    const name = `${APPLICATION}:http`;
    const answer = await config
      .makeApiClient(CoreV1Api)
      .connectGetNamespacedServiceProxy({ name, namespace: NAMESPACE });
    return answer.startsWith(APPLICATION) ? undefined : `Service ${APPLICATION} did not answer with the name of a pod`;
  });
}

/** The webhook is asked about an object that is never written: neither would a dry run be, nor does it let it pass. */
async function webhookRefuses(server: KubernetesApi): Promise<string | undefined> {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: NAMESPACE, name: 'refused', labels: WEBHOOK_LABEL },
  };
  try {
    await server.request('ask the webhook', (config) => objects(config).create(object, undefined, 'All'));
  } catch (error) {
    if (error instanceof Error && error.message.includes(REFUSAL)) return undefined;
    throw error;
  }
  return 'the webhook was not asked';
}
