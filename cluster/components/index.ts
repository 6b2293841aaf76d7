import type { ArtifactLock } from '../artifacts.js';
import type { HostState } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host, Role } from '../spec.js';
import { hasKonnectivityAgent, usesKonnectivity } from '../topology.js';
import { apiEndpointState } from './api-endpoint.js';
import { addonImages, containerRuntimeBinaries, containerRuntimeState, nodeImages } from './container-runtime.js';
import { controlPlaneBinaries, kubeApiserverBinaries } from './control-plane.js';
import { etcdBinaries, etcdState } from './etcd.js';
import { hostState } from './host.js';
import { konnectivityAgentState, konnectivityServerState } from './konnectivity.js';
import { kubeApiserverState } from './kube-apiserver.js';
import { kubeControllerManagerState } from './kube-controller-manager.js';
import { kubeProxyState } from './kube-proxy.js';
import { kubeSchedulerState } from './kube-scheduler.js';
import { kubeletState, nodeBinaries } from './kubelet.js';

/** Everything that decides a component's desired state on one host. */
export interface ComponentContext {
  readonly spec: ClusterSpec;
  readonly host: Host;
  readonly lock: ArtifactLock;
  readonly facts: HostFacts;
}

/** Each component's desired state; `-binaries` and `-images` are apart so that they can travel early. */
const components = {
  host: (context: ComponentContext) => ({
    ...hostState(context.spec, context.host, context.facts),
    // All at once, in one order: components that start side by side would be given other numbers on each host.
    accounts: accountsOf(context),
  }),
  'etcd-binaries': ({ lock }: ComponentContext) => etcdBinaries(versionOf(lock, 'etcd')),
  etcd: ({ spec, host }: ComponentContext) => etcdState(spec, host),
  'kube-apiserver-binaries': () => kubeApiserverBinaries(),
  'control-plane-binaries': () => controlPlaneBinaries(),
  'kube-apiserver': ({ spec, host }: ComponentContext) => kubeApiserverState(spec, host),
  'kube-controller-manager': ({ spec, host }: ComponentContext) => kubeControllerManagerState(spec, host),
  'kube-scheduler': ({ spec, host }: ComponentContext) => kubeSchedulerState(spec, host),
  'konnectivity-server': ({ spec, host }: ComponentContext) => konnectivityServerState(spec, host),
  'container-runtime-binaries': () => containerRuntimeBinaries(),
  'container-runtime': ({ spec, lock }: ComponentContext) => containerRuntimeState(spec, lock),
  'node-binaries': () => nodeBinaries(),
  'node-images': ({ lock }: ComponentContext) => nodeImages(lock.images),
  'addon-images': ({ lock }: ComponentContext) => addonImages(lock.images),
  'api-endpoint': ({ spec }: ComponentContext) => apiEndpointState(spec),
  kubelet: ({ spec, host, facts }: ComponentContext) => kubeletState(spec, host, facts),
  'kube-proxy': ({ spec, host, facts }: ComponentContext) => kubeProxyState(spec, host, facts),
  'konnectivity-agent': ({ host }: ComponentContext) => konnectivityAgentState(host),
} satisfies Record<string, (context: ComponentContext) => HostState>;

export type Component = keyof typeof components;

/** All of them, in the order in which they start. */
export const allComponents = Object.keys(components) as readonly Component[];

/** What `component` wants on the host of the context. */
export function componentState(component: Component, context: ComponentContext): HostState {
  return components[component](context);
}

const componentsByRole: Readonly<Record<Role, readonly Component[]>> = {
  etcd: ['etcd-binaries', 'etcd'],
  'control-plane': [
    'kube-apiserver-binaries',
    'control-plane-binaries',
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
  ],
  node: [
    'container-runtime-binaries',
    'container-runtime',
    'node-binaries',
    'node-images',
    'addon-images',
    'api-endpoint',
    'kubelet',
    'kube-proxy',
  ],
};

/** Every component that the host's roles bring. */
export function componentsOf(spec: ClusterSpec, host: Pick<Host, 'roles'>): Component[] {
  return [
    'host',
    ...host.roles.flatMap((role) => componentsByRole[role]),
    ...(usesKonnectivity(host) ? ['konnectivity-server' as const] : []),
    ...(hasKonnectivityAgent(spec, host) ? ['konnectivity-agent' as const] : []),
  ];
}

function accountsOf(context: ComponentContext): HostState['accounts'] {
  const names = componentsOf(context.spec, context.host)
    .filter((component) => component !== 'host')
    .flatMap((component) => componentState(component, context).accounts.map(({ name }) => name));
  return [...new Set(names)].map((name) => ({ name }));
}

function versionOf(lock: ArtifactLock, name: string): string {
  const artifact = lock.artifacts.find((candidate) => candidate.name === name);
  if (artifact === undefined) throw new RangeError(`the artifact lock for ${lock.kubernetes} has no ${name}`);
  return artifact.version;
}
