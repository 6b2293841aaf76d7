import type { ManifestSet } from '../addons/index.js';
import type { ClusterSpec } from '../spec.js';
import { hostsWithRole, serverHosts, usesKonnectivity } from '../topology.js';
import { requireSupport } from '../versions.js';
import type { Milestone } from './add-node.js';
import { component, preparation, type ComponentStep, type PreparationStep } from './preparation.js';
import { perHost, step, type AnyStep, type StepOf } from './step.js';

export type DeployStep =
  | PreparationStep
  | ComponentStep
  | StepOf<
      | { readonly kind: 'etcd-health' }
      | { readonly kind: Milestone }
      | { readonly kind: 'manifests'; readonly name: ManifestSet }
      | { readonly kind: 'kubeconfig' }
      | { readonly kind: 'join'; readonly host: string }
      | { readonly kind: 'verify' }
      | { readonly kind: 'audit'; readonly host: string }
    >;

/**
 * Whether a step may wait for what other steps bring about, beyond its needs: the first etcd member for its peers, a join
 * for the control plane. While one runs, the others must go on, or it would wait in vain.
 */
export function reliesOnOthers({ kind, name }: DeployStep & { readonly name?: string }): boolean {
  return kind === 'join' || kind === 'controllers' || name === 'etcd';
}

/**
 * The plan of `deploy-ha`. Everything starts as soon as what it needs is done: programs travel while certificates are
 * made, a master installs while etcd elects, nodes prepare while masters start.
 *
 * @param audit - whether hosts are checked against the CIS benchmark at the end, which needs kube-bench
 */
export function deploySteps(spec: ClusterSpec, { audit = false } = {}): DeployStep[] {
  const members = hostsWithRole(spec, 'etcd');
  const masters = hostsWithRole(spec, 'control-plane');
  const nodes = hostsWithRole(spec, 'node');
  const servers = serverHosts(spec);
  const { steps: prepared, admit, artifacts, certificates } = preparation(spec.hosts);

  const hosts = perHost(servers, (host) =>
    component('host', host, `Prepare ${host.name}: name, hosts file, time, kernel`, [admit]),
  );
  const etcdBinaries = perHost(members, (host) =>
    component('etcd-binaries', host, `Send etcd to ${host.name}`, [admit, artifacts]),
  );
  const etcd = perHost(members, (host) =>
    component('etcd', host, `Start etcd on ${host.name}`, [hosts.of(host), etcdBinaries.of(host), certificates]),
  );
  const etcdHealth = step({ kind: 'etcd-health' }, `See ${members.length} etcd members with one leader`, etcd.all);

  // One stream at a time to a host, in the order of the critical path: etcd, the API server, the rest.
  const apiServerBinaries = perHost(masters, (host) =>
    component('kube-apiserver-binaries', host, `Send the API server to ${host.name}`, [
      admit,
      artifacts,
      ...(host.roles.includes('etcd') ? [etcdBinaries.of(host)] : []),
    ]),
  );
  const otherBinaries = perHost(masters, (host) =>
    component('control-plane-binaries', host, `Send the rest of the control plane to ${host.name}`, [
      apiServerBinaries.of(host),
    ]),
  );
  const apiServers = perHost(masters, (host) =>
    component('kube-apiserver', host, `Start the API server on ${host.name}`, [
      hosts.of(host),
      apiServerBinaries.of(host),
      etcdHealth,
    ]),
  );
  const controllerManagers = perHost(masters, (host) =>
    component('kube-controller-manager', host, `Start the controller manager on ${host.name}`, [
      apiServers.of(host),
      otherBinaries.of(host),
    ]),
  );
  const schedulers = perHost(masters, (host) =>
    component('kube-scheduler', host, `Start the scheduler on ${host.name}`, [
      apiServers.of(host),
      otherBinaries.of(host),
    ]),
  );

  const mayAsk = manifests('bootstrap-rbac', 'Let nodes ask for certificates', apiServers.all);
  const controlPlane = step({ kind: 'control-plane' }, 'See every API server answer', [...apiServers.all, mayAsk]);
  const controllers = step({ kind: 'controllers' }, 'See the controller manager at work', [controlPlane]);

  const joins = perHost(nodes, (host) =>
    step({ kind: 'join', host: host.name }, `Join ${host.name} to the cluster`, [
      // The worker has one uplink: what the critical path needs goes first.
      admit,
      artifacts,
      ...apiServerBinaries.all,
      // Each host is prepared once: the join of one that is a server too finds that done.
      ...(servers.includes(host) ? [hosts.of(host)] : []),
    ]),
  );
  // Nobody needs it before there are pods, and sending it would delay what nodes wait for.
  const konnectivity = perHost(masters.filter(usesKonnectivity), (host) =>
    component('konnectivity-server', host, `Start the konnectivity server on ${host.name}`, [
      apiServers.of(host),
      otherBinaries.of(host),
      ...joins.all,
    ]),
  );

  const kubeconfig = step({ kind: 'kubeconfig' }, "Write the operator's kubeconfig", [certificates]);
  // A pod that comes before its image is on the node asks a registry, and waits ten seconds to look again.
  const imagesAreThere = [...apiServers.all, ...joins.all];
  const addons = [
    manifests('flannel', 'Apply the pod network (flannel)', apiServers.all),
    manifests('coredns', 'Apply cluster DNS (CoreDNS)', imagesAreThere),
    ...(requireSupport(spec.kubernetes).metricsServer
      ? [manifests('metrics-server', 'Apply resource metrics (metrics-server)', imagesAreThere)]
      : []),
  ];
  const verify = step({ kind: 'verify' }, 'Check pods, Service, NodePort and DNS across nodes', [
    ...joins.all,
    ...controllerManagers.all,
    ...schedulers.all,
    ...konnectivity.all,
    ...addons,
    controllers,
    kubeconfig,
  ]);
  const audits = perHost(audit ? spec.hosts : [], ({ name }) =>
    step({ kind: 'audit', host: name }, `Audit ${name} against the CIS benchmark`, [verify]),
  );
  return [
    ...prepared,
    ...hosts.all,
    ...etcdBinaries.all,
    ...etcd.all,
    etcdHealth,
    ...apiServerBinaries.all,
    ...otherBinaries.all,
    ...apiServers.all,
    ...controllerManagers.all,
    ...schedulers.all,
    mayAsk,
    controlPlane,
    controllers,
    ...konnectivity.all,
    kubeconfig,
    ...addons,
    ...joins.all,
    verify,
    ...audits.all,
  ];
}

function manifests(
  name: ManifestSet,
  title: string,
  needs: readonly Pick<AnyStep, 'id'>[],
): StepOf<{ readonly kind: 'manifests'; readonly name: ManifestSet }> {
  return step({ kind: 'manifests', name }, title, needs);
}
