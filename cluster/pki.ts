import type { RequestPurpose } from './certificate-request.js';
import type { ClusterSpec, Host } from './spec.js';
import {
  apiName,
  firstServiceAddress,
  fullName,
  hasKonnectivityAgent,
  hostsWithRole,
  usesKonnectivity,
} from './topology.js';

export const authorityNames = [
  'kubernetes-ca',
  'kubelet-serving-ca',
  'etcd-ca',
  'front-proxy-ca',
  'konnectivity-ca',
  'metrics-server-ca',
] as const;
export type AuthorityName = (typeof authorityNames)[number];

/**
 * Who signs what a kubelet asks for. Serving certificates have an authority of their own, which API servers and
 * metrics-server ask kubelets for and nobody else trusts: whatever names such a certificate had, it is no API server's.
 */
export const kubeletAuthorities = {
  client: 'kubernetes-ca',
  serving: 'kubelet-serving-ca',
} as const satisfies Readonly<Record<RequestPurpose, AuthorityName>>;

/** Name of metrics-server's serving certificate. */
export const METRICS_SERVER_CERTIFICATE = 'metrics-server';

/** Name of the key pair that signs and verifies service-account tokens; the same on every control-plane host. */
export const SERVICE_ACCOUNT_KEY_PAIR = 'service-account';

/** Group of the operator's certificate, bound to cluster-admin. */
export const ADMINS = 'ha-kubernetes:cluster-admins';

/** Name of the one certificate in system:masters; the deployer's own. */
export const SUPER_ADMIN = 'super-admin';

/** The user that API servers are to kubelets. */
export const KUBELET_CLIENT = 'kube-apiserver-kubelet-client';

/** Common name of etcd's members, to each other. */
export const ETCD_PEER = 'kube-etcd-peer';

/** How far `notBefore` lies in the past, in seconds, so that a host whose clock is a little behind accepts it at once. */
export const BACKDATE_SECONDS = 300;

/** A leaf is renewed once it has less than this to live, in days. */
export const RENEWAL_DAYS = 30;

const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;

export interface PlannedAuthority {
  readonly name: AuthorityName;
  readonly commonName: string;
  readonly validityDays: number;
}

export type CertificateUsage = 'server' | 'client';

export interface PlannedCertificate {
  /** `<purpose>/<host>`, or the purpose alone where it has no host; desired state names certificates and keys by it. */
  readonly name: string;
  readonly authority: AuthorityName;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly usages: readonly CertificateUsage[];
  readonly sans: { readonly dns: readonly string[]; readonly ip: readonly string[] };
  readonly validityDays: number;
}

/** Everything in a cluster's PKI, as data: what exists, not how or when it is made. */
export interface CertificatePlan {
  readonly authorities: readonly PlannedAuthority[];
  readonly certificates: readonly PlannedCertificate[];
  /** Names of bare key pairs, which no certificate belongs to. */
  readonly keyPairs: readonly string[];
}

/**
 * The PKI of a cluster: an authority for each circle of trust, a leaf of its own for every host and purpose, and a service-account key pair
 * apart from them (with the authority's key in its place, who reads a master's disk can sign for the whole cluster).
 *
 * Names, subjects and usages follow "PKI certificates and requirements" of the Kubernetes documentation.
 */
export function certificatePlan(spec: ClusterSpec): CertificatePlan {
  return {
    authorities: [
      { name: 'kubernetes-ca', commonName: 'kubernetes-ca', validityDays: AUTHORITY_DAYS },
      { name: 'kubelet-serving-ca', commonName: 'kubelet-serving-ca', validityDays: AUTHORITY_DAYS },
      { name: 'etcd-ca', commonName: 'etcd-ca', validityDays: AUTHORITY_DAYS },
      { name: 'front-proxy-ca', commonName: 'kubernetes-front-proxy-ca', validityDays: AUTHORITY_DAYS },
      { name: 'konnectivity-ca', commonName: 'konnectivity-ca', validityDays: AUTHORITY_DAYS },
      { name: 'metrics-server-ca', commonName: 'metrics-server-ca', validityDays: AUTHORITY_DAYS },
    ],
    certificates: [
      ...hostsWithRole(spec, 'etcd').flatMap((host) => etcdCertificates(spec, host)),
      ...hostsWithRole(spec, 'control-plane').flatMap((host) => controlPlaneCertificates(spec, host)),
      ...hostsWithRole(spec, 'node').flatMap((host) => nodeCertificates(spec, host)),
      leaf(METRICS_SERVER_CERTIFICATE, 'metrics-server-ca', 'metrics-server', ['server'], {
        sans: { dns: ['metrics-server.kube-system.svc'], ip: [] },
      }),
      leaf('admin', 'kubernetes-ca', 'kubernetes-admin', ['client'], { organizations: [ADMINS] }),
      // Passes every authorizer, which the deployer needs before any RBAC object exists. It cannot be taken back by RBAC,
      // so it stays in the state store (kubeadm does the same since 1.29, kubernetes/kubernetes#121837).
      leaf(SUPER_ADMIN, 'kubernetes-ca', 'kubernetes-super-admin', ['client'], { organizations: ['system:masters'] }),
    ],
    keyPairs: [SERVICE_ACCOUNT_KEY_PAIR],
  };
}

function etcdCertificates(spec: ClusterSpec, host: Host): PlannedCertificate[] {
  const sans = {
    dns: [host.name, fullName(spec, host), 'localhost'],
    ip: [host.address, '127.0.0.1'],
  };
  return [
    // etcd's gRPC gateway dials the member itself with this certificate, hence `client` as well (etcd, listener.go).
    leaf(`etcd-server/${host.name}`, 'etcd-ca', 'kube-etcd', ['server', 'client'], { sans }),
    leaf(`etcd-peer/${host.name}`, 'etcd-ca', ETCD_PEER, ['server', 'client'], { sans }),
    leaf(`etcd-healthcheck-client/${host.name}`, 'etcd-ca', 'kube-etcd-healthcheck-client', ['client']),
  ];
}

function controlPlaneCertificates(spec: ClusterSpec, host: Host): PlannedCertificate[] {
  const { name } = host;
  const kubernetes = 'kubernetes.default.svc';
  return [
    leaf(`kube-apiserver/${name}`, 'kubernetes-ca', 'kube-apiserver', ['server'], {
      sans: {
        dns: [
          name,
          fullName(spec, host),
          apiName(spec),
          'kubernetes',
          'kubernetes.default',
          kubernetes,
          `${kubernetes}.${spec.network.dnsDomain}`,
          'localhost',
        ],
        ip: [host.address, firstServiceAddress(spec), '127.0.0.1'],
      },
    }),
    leaf(`apiserver-etcd-client/${name}`, 'etcd-ca', 'kube-apiserver-etcd-client', ['client']),
    leaf(`apiserver-kubelet-client/${name}`, 'kubernetes-ca', KUBELET_CLIENT, ['client']),
    leaf(`front-proxy-client/${name}`, 'front-proxy-ca', 'front-proxy-client', ['client']),
    leaf(`controller-manager/${name}`, 'kubernetes-ca', 'system:kube-controller-manager', ['client']),
    leaf(`scheduler/${name}`, 'kubernetes-ca', 'system:kube-scheduler', ['client']),
    ...(usesKonnectivity(host)
      ? [
          // Agents come through the proxy on their own host, and so ask for its address.
          leaf(`konnectivity-server/${name}`, 'konnectivity-ca', 'konnectivity-server', ['server'], {
            sans: { dns: [], ip: ['127.0.0.1'] },
          }),
        ]
      : []),
  ];
}

/** The kubelet asks for its own certificates. */
function nodeCertificates(spec: ClusterSpec, host: Host): PlannedCertificate[] {
  const { name } = host;
  return [
    leaf(`kube-proxy/${name}`, 'kubernetes-ca', 'system:kube-proxy', ['client']),
    ...(hasKonnectivityAgent(spec, host)
      ? [leaf(`konnectivity-agent/${name}`, 'konnectivity-ca', 'konnectivity-agent', ['client'])]
      : []),
  ];
}

function leaf(
  name: string,
  authority: AuthorityName,
  commonName: string,
  usages: readonly CertificateUsage[],
  rest: Partial<Pick<PlannedCertificate, 'organizations' | 'sans'>> = {},
): PlannedCertificate {
  return {
    name,
    authority,
    commonName,
    organizations: [],
    usages,
    sans: { dns: [], ip: [] },
    validityDays: LEAF_DAYS,
    ...rest,
  };
}
