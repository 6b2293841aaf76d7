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

/** What the rest of the program must know of a component; everything else is in its desired state. */
interface ComponentDescriptor {
  /** Whether a host has it. */
  readonly on: (host: Pick<Host, 'roles'>, spec: ClusterSpec) => boolean;
  readonly state: (context: ComponentContext) => HostState;
  /**
   * `one at a time`: it is a member of a group that the cluster lives by, and is not restarted while another one is
   * unwell, or being restarted (docs/architecture.md, contract 7).
   */
  readonly rollout?: 'one at a time';
}

const ofRole =
  (role: Role): ComponentDescriptor['on'] =>
  ({ roles }) =>
    roles.includes(role);

/** All components, in the order in which they start; `-binaries` and `-images` are apart so that they travel early. */
const components = {
  host: {
    on: () => true,
    state: (context) => ({
      ...hostState(context.spec, context.host, context.facts),
      // All at once, in one order: components that start side by side would be given other numbers on each host.
      accounts: accountsOf(context),
    }),
  },
  'etcd-binaries': { on: ofRole('etcd'), state: ({ lock }) => etcdBinaries(versionOf(lock, 'etcd')) },
  etcd: { on: ofRole('etcd'), state: ({ spec, host }) => etcdState(spec, host), rollout: 'one at a time' },
  'kube-apiserver-binaries': { on: ofRole('control-plane'), state: () => kubeApiserverBinaries() },
  'control-plane-binaries': { on: ofRole('control-plane'), state: () => controlPlaneBinaries() },
  'kube-apiserver': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeApiserverState(spec, host),
    rollout: 'one at a time',
  },
  'kube-controller-manager': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeControllerManagerState(spec, host),
    rollout: 'one at a time',
  },
  'kube-scheduler': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeSchedulerState(spec, host),
    rollout: 'one at a time',
  },
  'konnectivity-server': {
    on: usesKonnectivity,
    state: ({ spec, host }) => konnectivityServerState(spec, host),
    rollout: 'one at a time',
  },
  'container-runtime-binaries': { on: ofRole('node'), state: () => containerRuntimeBinaries() },
  'container-runtime': { on: ofRole('node'), state: ({ spec, lock }) => containerRuntimeState(spec, lock) },
  'node-binaries': { on: ofRole('node'), state: () => nodeBinaries() },
  'node-images': { on: ofRole('node'), state: ({ lock }) => nodeImages(lock.images) },
  'addon-images': { on: ofRole('node'), state: ({ lock }) => addonImages(lock.images) },
  'api-endpoint': { on: ofRole('node'), state: ({ spec }) => apiEndpointState(spec) },
  kubelet: { on: ofRole('node'), state: ({ spec, host, facts }) => kubeletState(spec, host, facts) },
  'kube-proxy': { on: ofRole('node'), state: ({ spec, host, facts }) => kubeProxyState(spec, host, facts) },
  'konnectivity-agent': {
    on: (host, spec) => hasKonnectivityAgent(spec, host),
    state: ({ host }) => konnectivityAgentState(host),
  },
} satisfies Record<string, ComponentDescriptor>;

export type Component = keyof typeof components;

const descriptors: Readonly<Record<Component, ComponentDescriptor>> = components;

/** All of them, in the order in which they start. */
export const allComponents = Object.keys(components) as readonly Component[];

/** What `component` wants on the host of the context. */
export function componentState(component: Component, context: ComponentContext): HostState {
  return components[component].state(context);
}

/** Every component that the host's roles bring. */
export function componentsOf(spec: ClusterSpec, host: Pick<Host, 'roles'>): Component[] {
  return allComponents.filter((component) => descriptors[component].on(host, spec));
}

/** Whether a member of this kind is restarted only while all others are well. */
export function isRolled(component: Component): boolean {
  return descriptors[component].rollout === 'one at a time';
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
