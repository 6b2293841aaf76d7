import type { Component } from './components/index.js';
import type { ClusterSpec, Host } from './spec.js';
import { hasKonnectivityAgent, hostsWithRole, serverHosts, konnectivityServers, usesKonnectivity } from './topology.js';
import { requireSupport } from './versions.js';

/** What a step does; the workflow maps each kind to an activity, a child workflow or a decision. */
export type Action =
  | { readonly kind: 'preflight'; readonly host: string }
  | { readonly kind: 'admit' }
  | { readonly kind: 'certificates' }
  | { readonly kind: 'artifacts' }
  | { readonly kind: 'component'; readonly component: Component; readonly host: string }
  | { readonly kind: 'etcd-health' }
  | { readonly kind: 'control-plane' }
  | { readonly kind: 'controllers' }
  | { readonly kind: 'manifests'; readonly set: ManifestSet }
  | { readonly kind: 'kubeconfig' }
  | { readonly kind: 'join'; readonly host: string }
  | { readonly kind: 'bootstrap-token'; readonly host: string }
  | { readonly kind: 'approve-csr'; readonly host: string }
  | { readonly kind: 'approve-serving'; readonly host: string }
  | { readonly kind: 'node-ready'; readonly host: string }
  | { readonly kind: 'revoke-token'; readonly host: string }
  | { readonly kind: 'verify' }
  | { readonly kind: 'audit'; readonly host: string }
  | { readonly kind: 'remove'; readonly host: string }
  | { readonly kind: 'remove-kubeconfig' };

export type ManifestSet = 'bootstrap-rbac' | 'flannel' | 'coredns' | 'metrics-server';

/** One vertex of the DAG. */
export interface Step {
  readonly id: string;
  /** A sentence for people: progress, the Temporal UI and the reports all show this one. */
  readonly title: string;
  readonly host?: string;
  /** Steps that must be done first. */
  readonly needs: readonly string[];
  readonly action: Action;
}

/**
 * Whether a step may wait for what other steps bring about, beyond its needs: the first etcd member for its peers, a join
 * for the control plane. While one runs, the others must go on, or it would wait in vain.
 */
export function reliesOnOthers({ action }: Step): boolean {
  return action.kind === 'join' || (action.kind === 'component' && action.component === 'etcd');
}

/**
 * The DAG of `deploy-ha`. Everything starts as soon as what it needs is done: programs travel while certificates are
 * made, a master installs while etcd elects, nodes prepare while masters start.
 *
 * @param audit - whether hosts are checked against the CIS benchmark at the end, which needs kube-bench
 */
export function deploySteps(spec: ClusterSpec, { audit = false } = {}): Step[] {
  const etcd = hostsWithRole(spec, 'etcd');
  const masters = hostsWithRole(spec, 'control-plane');
  const nodes = hostsWithRole(spec, 'node');
  const servers = serverHosts(spec);
  const apiServers = masters.map((host) => `kube-apiserver:${host.name}`);
  const joins = nodes.map((host) => `join:${host.name}`);
  // A pod that comes before its image is on the node asks a registry, and waits ten seconds to look again.
  const imagesAreThere = [...apiServers, ...joins];
  const addons = [
    manifests('bootstrap-rbac', 'Let nodes ask for certificates', apiServers),
    manifests('flannel', 'Apply the pod network (flannel)', apiServers),
    manifests('coredns', 'Apply cluster DNS (CoreDNS)', imagesAreThere),
    ...(requireSupport(spec.kubernetes).metricsServer
      ? [manifests('metrics-server', 'Apply resource metrics (metrics-server)', imagesAreThere)]
      : []),
  ];
  return [
    ...preparation(spec.hosts),
    ...servers.map((host) =>
      component('host', host, `Prepare ${host.name}: name, hosts file, time, kernel`, ['admit']),
    ),
    ...etcd.flatMap((host) => [
      component('etcd-binaries', host, `Send etcd to ${host.name}`, ['admit', 'artifacts']),
      component('etcd', host, `Start etcd on ${host.name}`, [
        `host:${host.name}`,
        `etcd-binaries:${host.name}`,
        'certificates',
      ]),
    ]),
    {
      id: 'etcd-health',
      title: `See ${etcd.length} etcd members with one leader`,
      needs: etcd.map((host) => `etcd:${host.name}`),
      action: { kind: 'etcd-health' },
    },
    ...masters.flatMap((host) => [
      // One stream at a time to a host, in the order of the critical path: etcd, the API server, the rest.
      component('kube-apiserver-binaries', host, `Send the API server to ${host.name}`, [
        'admit',
        'artifacts',
        ...(host.roles.includes('etcd') ? [`etcd-binaries:${host.name}`] : []),
      ]),
      component('control-plane-binaries', host, `Send the rest of the control plane to ${host.name}`, [
        `kube-apiserver-binaries:${host.name}`,
      ]),
      component('kube-apiserver', host, `Start the API server on ${host.name}`, [
        `host:${host.name}`,
        `kube-apiserver-binaries:${host.name}`,
        'etcd-health',
      ]),
      component('kube-controller-manager', host, `Start the controller manager on ${host.name}`, [
        `kube-apiserver:${host.name}`,
        `control-plane-binaries:${host.name}`,
      ]),
      component('kube-scheduler', host, `Start the scheduler on ${host.name}`, [
        `kube-apiserver:${host.name}`,
        `control-plane-binaries:${host.name}`,
      ]),
      ...(usesKonnectivity(host)
        ? [
            // Nobody needs it before there are pods, and sending it would delay what nodes wait for.
            component('konnectivity-server', host, `Start the konnectivity server on ${host.name}`, [
              `kube-apiserver:${host.name}`,
              `control-plane-binaries:${host.name}`,
              ...joins,
            ]),
          ]
        : []),
    ]),
    {
      id: 'kubeconfig',
      title: "Write the operator's kubeconfig",
      needs: ['certificates'],
      action: { kind: 'kubeconfig' },
    },
    ...addons,
    ...nodes.map((host): Step => ({
      id: `join:${host.name}`,
      title: `Join ${host.name} to the cluster`,
      host: host.name,
      // The worker has one uplink: what the critical path needs goes first.
      needs: [
        'admit',
        'artifacts',
        ...masters.map((master) => `kube-apiserver-binaries:${master.name}`),
        // Each host is prepared once: the join of one that is a server too finds that done.
        ...(servers.includes(host) ? [`host:${host.name}`] : []),
      ],
      action: { kind: 'join', host: host.name },
    })),
    {
      id: 'verify',
      title: 'Check pods, Service, NodePort and DNS across nodes',
      needs: [
        ...joins,
        ...masters.flatMap((host) => [`kube-controller-manager:${host.name}`, `kube-scheduler:${host.name}`]),
        ...konnectivityServers(spec).map((host) => `konnectivity-server:${host.name}`),
        ...addons.map(({ id }) => id),
        'kubeconfig',
      ],
      action: { kind: 'verify' },
    },
    ...(audit ? spec.hosts : []).map((host): Step => ({
      id: `audit:${host.name}`,
      title: `Audit ${host.name} against the CIS benchmark`,
      host: host.name,
      needs: ['verify'],
      action: { kind: 'audit', host: host.name },
    })),
  ];
}

/** The DAG of `add-node`: the child that deploy-ha uses for each node, and the same when a node joins a running cluster. */
export function addNodeSteps(spec: ClusterSpec, host: Host): Step[] {
  const on = (id: string): string => `${id}:${host.name}`;
  return [
    ...preparation([host], host),
    component('host', host, `Prepare ${host.name}: name, packages, kernel`, [on('admit')]),
    component('container-runtime-binaries', host, `Send containerd and CNI plugins to ${host.name}`, [
      on('admit'),
      on('artifacts'),
    ]),
    component('node-binaries', host, `Send kubelet and kube-proxy to ${host.name}`, [
      on('artifacts'),
      on('container-runtime-binaries'),
    ]),
    component('container-runtime', host, `Start containerd on ${host.name}`, [
      on('host'),
      on('container-runtime-binaries'),
    ]),
    component('node-images', host, `Load the images that ${host.name} begins with`, [
      on('container-runtime'),
      on('node-binaries'),
    ]),
    component('addon-images', host, `Load the images of addons on ${host.name}`, [on('node-images')]),
    component('api-endpoint', host, `Start the API proxy on ${host.name}`, [on('host'), on('certificates')]),
    ...(hasKonnectivityAgent(spec, host)
      ? [
          component('konnectivity-agent', host, `Start the konnectivity agent on ${host.name}`, [
            on('api-endpoint'),
            on('addon-images'),
          ]),
        ]
      : []),
    {
      id: on('control-plane'),
      title: `Wait for the control plane, for ${host.name}`,
      host: host.name,
      needs: [on('admit'), on('certificates')],
      action: { kind: 'control-plane' },
    },
    {
      id: on('controllers'),
      title: `See the controller manager at work, for ${host.name}`,
      host: host.name,
      // A kubelet whose request is signed late asks for its node with growing pauses, and loses more time than it waited.
      needs: [on('control-plane')],
      action: { kind: 'controllers' },
    },
    {
      id: on('bootstrap-token'),
      title: `Give ${host.name} a bootstrap token that expires`,
      host: host.name,
      needs: [on('host'), on('control-plane')],
      action: { kind: 'bootstrap-token', host: host.name },
    },
    component('kubelet', host, `Start the kubelet on ${host.name}`, [
      on('controllers'),
      on('bootstrap-token'),
      on('node-binaries'),
      on('container-runtime'),
      on('api-endpoint'),
    ]),
    component('kube-proxy', host, `Start kube-proxy on ${host.name}`, [
      on('control-plane'),
      on('node-binaries'),
      on('api-endpoint'),
    ]),
    {
      id: on('approve-csr'),
      title: `Approve the certificate request of ${host.name}`,
      host: host.name,
      needs: [on('kubelet')],
      action: { kind: 'approve-csr', host: host.name },
    },
    {
      id: on('approve-serving'),
      title: `Approve the serving certificate of ${host.name}`,
      host: host.name,
      needs: [on('approve-csr')],
      action: { kind: 'approve-serving', host: host.name },
    },
    {
      id: on('node-ready'),
      title: `See ${host.name} Ready`,
      host: host.name,
      needs: [on('approve-csr'), on('node-images'), on('kube-proxy')],
      action: { kind: 'node-ready', host: host.name },
    },
    {
      id: on('revoke-token'),
      title: `Take the bootstrap token of ${host.name} back`,
      host: host.name,
      needs: [on('node-ready'), on('approve-serving')],
      action: { kind: 'revoke-token', host: host.name },
    },
  ];
}

/**
 * Looks at every host, makes certificates and fetches programs; nothing is changed on a host before `admit`.
 *
 * @param node - the node that the DAG joins; its name is in every id, so that an id means one step of a whole run
 */
function preparation(hosts: readonly Host[], node?: Host): Step[] {
  const own = (name: string): string => (node === undefined ? name : `${name}:${node.name}`);
  const about = (title: string): Pick<Step, 'title' | 'host'> =>
    node === undefined ? { title } : { title: `${title}, for ${node.name}`, host: node.name };
  return [
    ...hosts.map((host): Step => ({
      id: `preflight:${host.name}`,
      title: `Look at ${host.name} before touching it`,
      host: host.name,
      needs: [],
      action: { kind: 'preflight', host: host.name },
    })),
    {
      id: own('admit'),
      ...about(hosts.length === 1 ? 'Decide that the host is fit' : 'Decide that every host is fit'),
      needs: hosts.map((host) => `preflight:${host.name}`),
      action: { kind: 'admit' },
    },
    {
      id: own('artifacts'),
      ...about('Fetch and check the official programs'),
      needs: [],
      action: { kind: 'artifacts' },
    },
    {
      id: own('certificates'),
      ...about('Make certificates, or reuse valid ones'),
      needs: [own('admit')],
      action: { kind: 'certificates' },
    },
  ];
}

function component(name: Component, host: Host, title: string, needs: readonly string[]): Step {
  return {
    id: `${name}:${host.name}`,
    title,
    host: host.name,
    needs,
    action: { kind: 'component', component: name, host: host.name },
  };
}

function manifests(set: ManifestSet, title: string, needs: readonly string[]): Step {
  return { id: set, title, needs, action: { kind: 'manifests', set } };
}
