import type { ClusterSpec, Host } from '../spec.js';
import { hasKonnectivityAgent } from '../topology.js';
import { component, preparation, type ComponentStep, type PreparationStep } from './preparation.js';
import { step, type StepOf } from './step.js';

/** What every join waits for, once the cluster has come so far. */
export const milestones = ['control-plane', 'controllers'] as const;

export type Milestone = (typeof milestones)[number];

export type JoinStep =
  | PreparationStep
  | ComponentStep
  | StepOf<{
      readonly kind: Milestone | 'bootstrap-token' | 'approve-csr' | 'approve-serving' | 'node-ready' | 'revoke-token';
      readonly host: string;
    }>;

/** The plan of `add-node`: the child that deploy-ha uses for each node, and the same when a node joins a running cluster. */
export function addNodeSteps(spec: ClusterSpec, node: Host): JoinStep[] {
  const { name: host } = node;
  const { steps: prepared, admit, artifacts, certificates } = preparation([node], node);
  const prepare = component('host', node, `Prepare ${host}: name, packages, kernel`, [admit]);
  const runtimeBinaries = component('container-runtime-binaries', node, `Send containerd and CNI plugins to ${host}`, [
    admit,
    artifacts,
  ]);
  const nodeBinaries = component('node-binaries', node, `Send kubelet and kube-proxy to ${host}`, [
    artifacts,
    runtimeBinaries,
  ]);
  const runtime = component('container-runtime', node, `Start containerd on ${host}`, [prepare, runtimeBinaries]);
  const nodeImages = component('node-images', node, `Load the images that ${host} begins with`, [
    runtime,
    nodeBinaries,
  ]);
  const addonImages = component('addon-images', node, `Load the images of addons on ${host}`, [nodeImages]);
  const endpoint = component('api-endpoint', node, `Start the API proxy on ${host}`, [prepare, certificates]);
  const agent = hasKonnectivityAgent(spec, node)
    ? [component('konnectivity-agent', node, `Start the konnectivity agent on ${host}`, [endpoint, addonImages])]
    : [];
  const controlPlane = step({ kind: 'control-plane', host }, `Wait for the control plane, for ${host}`, [
    admit,
    certificates,
  ]);
  // A kubelet whose request is signed late asks for its node with growing pauses, and loses more time than it waited.
  const controllers = step({ kind: 'controllers', host }, `See the controller manager at work, for ${host}`, [
    controlPlane,
  ]);
  const token = step({ kind: 'bootstrap-token', host }, `Give ${host} a bootstrap token that expires`, [
    prepare,
    controlPlane,
  ]);
  const kubelet = component('kubelet', node, `Start the kubelet on ${host}`, [
    controllers,
    token,
    nodeBinaries,
    runtime,
    endpoint,
  ]);
  const proxy = component('kube-proxy', node, `Start kube-proxy on ${host}`, [controlPlane, nodeBinaries, endpoint]);
  const client = step({ kind: 'approve-csr', host }, `Approve the certificate request of ${host}`, [kubelet]);
  const serving = step({ kind: 'approve-serving', host }, `Approve the serving certificate of ${host}`, [client]);
  const ready = step({ kind: 'node-ready', host }, `See ${host} Ready`, [client, nodeImages, proxy]);
  const revoke = step({ kind: 'revoke-token', host }, `Take the bootstrap token of ${host} back`, [ready, serving]);
  return [
    ...prepared,
    prepare,
    runtimeBinaries,
    nodeBinaries,
    runtime,
    nodeImages,
    addonImages,
    endpoint,
    ...agent,
    controlPlane,
    controllers,
    token,
    kubelet,
    proxy,
    client,
    serving,
    ready,
    revoke,
  ];
}
