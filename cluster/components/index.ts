import type { ArtifactLock } from '../artifacts.js';
import type { HostState } from '../desired-state.js';
import type { HostFacts } from '../facts.js';
import type { ClusterSpec, Host, Role } from '../spec.js';
import { API_PORT, API_PROXY_PORT, hasKonnectivityAgent, KONNECTIVITY_PORT, usesKonnectivity } from '../topology.js';
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

/** A TCP port on which a program listens. */
export interface ComponentPort {
  readonly port: number;
  readonly program: string;
  readonly unit: string;
}

function listens(program: string, unit: string, ...ports: readonly number[]): ComponentPort[] {
  return ports.map((port) => ({ port, program, unit: `${unit}.service` }));
}

const API_PROXY = ['the API proxy', 'kube-api-proxy'] as const;

/** What the rest of the program must know of a component; everything else is in its desired state. */
interface ComponentDescriptor {
  /** Whether a host has it. */
  readonly on: (host: Pick<Host, 'roles'>, spec: ClusterSpec) => boolean;
  readonly state: (context: ComponentContext) => HostState;
  /** Where its programs listen (kubernetes.io, "Ports and Protocols"; the API proxy is this project's own). */
  readonly ports?: readonly ComponentPort[];
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
  etcd: {
    on: ofRole('etcd'),
    state: ({ spec, host }) => etcdState(spec, host),
    ports: listens('etcd', 'etcd', 2379, 2380),
    rollout: 'one at a time',
  },
  'kube-apiserver-binaries': { on: ofRole('control-plane'), state: () => kubeApiserverBinaries() },
  'control-plane-binaries': { on: ofRole('control-plane'), state: () => controlPlaneBinaries() },
  'kube-apiserver': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeApiserverState(spec, host),
    ports: listens('kube-apiserver', 'kube-apiserver', API_PORT),
    rollout: 'one at a time',
  },
  'kube-controller-manager': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeControllerManagerState(spec, host),
    ports: listens('kube-controller-manager', 'kube-controller-manager', 10257),
    rollout: 'one at a time',
  },
  'kube-scheduler': {
    on: ofRole('control-plane'),
    state: ({ spec, host }) => kubeSchedulerState(spec, host),
    ports: listens('kube-scheduler', 'kube-scheduler', 10259),
    rollout: 'one at a time',
  },
  'konnectivity-server': {
    on: usesKonnectivity,
    state: ({ spec, host }) => konnectivityServerState(spec, host),
    ports: listens('konnectivity-server', 'konnectivity-server', KONNECTIVITY_PORT, 8133, 8134),
    rollout: 'one at a time',
  },
  'container-runtime-binaries': { on: ofRole('node'), state: () => containerRuntimeBinaries() },
  'container-runtime': { on: ofRole('node'), state: ({ spec, lock }) => containerRuntimeState(spec, lock) },
  'node-binaries': { on: ofRole('node'), state: () => nodeBinaries() },
  'node-images': { on: ofRole('node'), state: ({ lock }) => nodeImages(lock.images) },
  'addon-images': { on: ofRole('node'), state: ({ lock }) => addonImages(lock.images) },
  'api-endpoint': {
    on: ofRole('node'),
    state: ({ spec }) => apiEndpointState(spec),
    ports: listens(...API_PROXY, API_PROXY_PORT),
  },
  kubelet: {
    on: ofRole('node'),
    state: ({ spec, host, facts }) => kubeletState(spec, host, facts),
    ports: listens('kubelet', 'kubelet', 10248, 10250),
  },
  'kube-proxy': {
    on: ofRole('node'),
    state: ({ spec, host, facts }) => kubeProxyState(spec, host, facts),
    ports: listens('kube-proxy', 'kube-proxy', 10249, 10256),
  },
  'konnectivity-agent': {
    on: (host, spec) => hasKonnectivityAgent(spec, host),
    state: ({ host }) => konnectivityAgentState(host),
    // The API proxy of a host with an agent leads to the konnectivity servers too.
    ports: [
      ...listens(...API_PROXY, KONNECTIVITY_PORT),
      ...listens('konnectivity-agent', 'konnectivity-agent', 8093, 8094),
    ],
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

/** Every port on which programs of the host listen. */
export function portsOf(spec: ClusterSpec, host: Pick<Host, 'roles'>): ComponentPort[] {
  return componentsOf(spec, host).flatMap((component) => descriptors[component].ports ?? []);
}

/** Every port of any component, whatever the host. */
export const allPorts: readonly ComponentPort[] = allComponents.flatMap(
  (component) => descriptors[component].ports ?? [],
);

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
