/** What the API server lets in and what it records: its policy files, as objects. */

const systemNamespace = 'kube-system';

/**
 * Who did what to which object, and the whole of changes to permissions; never the body of what may hold a secret.
 * Left out is what the cluster says to itself every few seconds: health, leases, events.
 */
export function auditPolicy(): object {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    // A request is recorded once it is answered.
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', nonResourceURLs: ['/healthz*', '/livez*', '/readyz*', '/version'] },
      {
        level: 'None',
        resources: [
          { group: 'coordination.k8s.io', resources: ['leases'] },
          { group: '', resources: ['events'] },
          { group: 'events.k8s.io', resources: ['events'] },
        ],
      },
      {
        level: 'Request',
        verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
        resources: [{ group: 'rbac.authorization.k8s.io' }, { group: 'admissionregistration.k8s.io' }],
      },
      // Secrets, ConfigMaps, TokenReviews, tokens of service accounts, pods, exec and all the rest.
      { level: 'Metadata' },
    ],
  };
}

/** Anonymous requests may ask for health, which load balancers and probes do without credentials, and nothing else. */
export function authenticationConfiguration(): object {
  return {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    anonymous: { enabled: true, conditions: ['/livez', '/readyz', '/healthz'].map((path) => ({ path })) },
  };
}

/**
 * Pod Security for namespaces that say nothing else by label: what harms a host is refused, what is less than best
 * practice is warned of and recorded. The cluster's own namespace is exempt, as it has the agents of the nodes.
 */
export function admissionConfiguration(): object {
  return {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AdmissionConfiguration',
    plugins: [
      {
        name: 'PodSecurity',
        configuration: {
          apiVersion: 'pod-security.admission.config.k8s.io/v1',
          kind: 'PodSecurityConfiguration',
          defaults: {
            enforce: 'baseline',
            'enforce-version': 'latest',
            audit: 'restricted',
            'audit-version': 'latest',
            warn: 'restricted',
            'warn-version': 'latest',
          },
          exemptions: { namespaces: [systemNamespace] },
        },
      },
    ],
  };
}
