/** What the API server lets in and what it records: its policy files, as objects. */

const systemNamespace = 'kube-system';
const changes = ['create', 'update', 'patch', 'delete', 'deletecollection'];
const leases = { group: 'coordination.k8s.io', resources: ['leases'] };

/**
 * Who did what to which object, and the whole of changes to permissions and of decisions about certificates; never the
 * body of what may hold a secret. Left out is what the cluster says to itself every few seconds: health, events, and
 * leases that are renewed by those whose leases they are. The first rule that fits counts.
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
          { group: '', resources: ['events'] },
          { group: 'events.k8s.io', resources: ['events'] },
        ],
      },
      ...leaseRules(),
      {
        level: 'Request',
        verbs: changes,
        resources: [{ group: 'rbac.authorization.k8s.io' }, { group: 'admissionregistration.k8s.io' }],
      },
      // Who became a member, by whose decision, and what was signed. Requests and certificates are public.
      {
        level: 'RequestResponse',
        verbs: changes,
        resources: [
          {
            group: 'certificates.k8s.io',
            resources: ['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
          },
        ],
      },
      // Secrets, ConfigMaps, TokenReviews, tokens of service accounts, pods, exec and all the rest.
      { level: 'Metadata' },
    ],
  };
}

/**
 * A lease decides who leads and which node counts as alive: whoever else lays hands on one is recorded, and a service
 * account of a tenant that does so in the cluster's own namespaces, too.
 */
function leaseRules(): object[] {
  const own = [systemNamespace, 'kube-node-lease'];
  const none = (whose: object): object => ({ level: 'None', ...whose, resources: [leases] });
  return [
    none({ verbs: ['get', 'list', 'watch'] }),
    none({ users: ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler'] }),
    none({ userGroups: ['system:nodes'], namespaces: ['kube-node-lease'] }),
    none({ userGroups: [`system:serviceaccounts:${systemNamespace}`] }),
    { level: 'Metadata', userGroups: ['system:serviceaccounts'], namespaces: own, resources: [leases] },
    none({ userGroups: ['system:serviceaccounts'] }),
  ];
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
