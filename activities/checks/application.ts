import type { Manifest } from '../../cluster/addons/manifest.js';
import { CONTROL_PLANE_KEY } from '../../cluster/topology.js';
import type { WebhookIdentity } from './webhook-identity.js';

/** Everything that the checks put into the cluster is in this namespace, but for the registration of the webhook. */
export const NAMESPACE = 'ha-kubernetes-check';

/** Name of the Deployment and of its Service. */
export const APPLICATION = 'hostname';

/** Ports of the pods. */
export const HTTP_PORT = 9376;
const WEBHOOK_PORT = 9443;

/** The webhook is asked about objects with this label only, so that one that was left behind harms nobody. */
export const WEBHOOK_LABEL = { 'ha-kubernetes/check': 'webhook' };

const labels = { app: APPLICATION };

export const namespace: Manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };

export const webhookRegistration = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: NAMESPACE },
};

export interface ApplicationPods {
  readonly image: string;
  readonly replicas: number;
  readonly without?: string | undefined;
}

/**
 * Pods on as many nodes that each answer with their own name, a Service in front of them, and in the same pods a
 * validating webhook that refuses whatever it is asked about (the seed's "测试pod", with Kubernetes' own test programs).
 *
 * @param pods - agnhost, how many of it, and the node that takes none
 */
export function application(pods: ApplicationPods, identity: WebhookIdentity): Manifest[] {
  return [
    namespace,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'webhook', namespace: NAMESPACE },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': identity.certificate, 'tls.key': identity.privateKey },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: APPLICATION, namespace: NAMESPACE },
      spec: {
        replicas: pods.replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(pods) },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: APPLICATION, namespace: NAMESPACE },
      spec: {
        type: 'NodePort',
        selector: labels,
        ports: [{ name: 'http', port: 80, targetPort: HTTP_PORT, protocol: 'TCP' }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'webhook', namespace: NAMESPACE },
      spec: { selector: labels, ports: [{ name: 'https', port: 443, targetPort: WEBHOOK_PORT, protocol: 'TCP' }] },
    },
    {
      ...webhookRegistration,
      webhooks: [
        {
          name: `refuse.${NAMESPACE}.svc`,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          timeoutSeconds: 5,
          objectSelector: { matchLabels: WEBHOOK_LABEL },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
          clientConfig: {
            caBundle: Buffer.from(identity.authority).toString('base64'),
            service: { namespace: NAMESPACE, name: 'webhook', path: '/always-deny', port: 443 },
          },
        },
      ],
    },
  ];
}

/** DNS name under which API servers ask the webhook. */
export const WEBHOOK_NAME = `webhook.${NAMESPACE}.svc`;

function podSpec({ image, without }: ApplicationPods): object {
  const confined = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: 65534,
  };
  return {
    // The pods only answer with their own name: nothing is lost when they go at once.
    terminationGracePeriodSeconds: 0,
    automountServiceAccountToken: false,
    // The network of every node is looked at, those of masters too.
    tolerations: [{ key: CONTROL_PLANE_KEY, operator: 'Exists', effect: 'NoSchedule' }],
    affinity: {
      ...(without === undefined
        ? {}
        : {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: [without] }] }],
              },
            },
          }),
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
    containers: [
      {
        name: APPLICATION,
        image,
        imagePullPolicy: 'IfNotPresent',
        args: ['serve-hostname', `--port=${HTTP_PORT}`],
        ports: [{ containerPort: HTTP_PORT, protocol: 'TCP' }],
        readinessProbe: { httpGet: { path: '/', port: HTTP_PORT }, periodSeconds: 1 },
        securityContext: confined,
      },
      {
        name: 'webhook',
        image,
        imagePullPolicy: 'IfNotPresent',
        args: [
          'webhook',
          `--port=${WEBHOOK_PORT}`,
          '--tls-cert-file=/tls/tls.crt',
          '--tls-private-key-file=/tls/tls.key',
        ],
        ports: [{ containerPort: WEBHOOK_PORT, protocol: 'TCP' }],
        readinessProbe: { httpGet: { path: '/readyz', port: WEBHOOK_PORT, scheme: 'HTTPS' }, periodSeconds: 1 },
        securityContext: confined,
        volumeMounts: [{ name: 'tls', mountPath: '/tls', readOnly: true }],
      },
    ],
    volumes: [{ name: 'tls', secret: { secretName: 'webhook' } }],
  };
}
