import type { ClusterSpec, Host } from './spec.js';
import type { Step } from './steps.js';

/**
 * The DAG of `destroy`: every host is looked at before the first is touched; then nodes, masters and etcd hosts, in the
 * opposite order of their start. A host of several roles has its turn with the last of them.
 */
export function destroySteps(spec: ClusterSpec): Step[] {
  const phases: (readonly Host[])[] = [
    spec.hosts.filter(({ roles }) => !roles.includes('control-plane') && !roles.includes('etcd')),
    spec.hosts.filter(({ roles }) => roles.includes('control-plane') && !roles.includes('etcd')),
    spec.hosts.filter(({ roles }) => roles.includes('etcd')),
  ];
  let before = ['admit'];
  const removals = phases.flatMap((hosts) => {
    const steps = hosts.map((host): Step => ({
      id: `remove:${host.name}`,
      title: `Bring ${host.name} back to what it was`,
      host: host.name,
      needs: before,
      action: { kind: 'remove', host: host.name },
    }));
    if (steps.length > 0) before = steps.map(({ id }) => id);
    return steps;
  });
  return [
    ...spec.hosts.map((host): Step => ({
      id: `preflight:${host.name}`,
      title: `Look at ${host.name} before touching it`,
      host: host.name,
      needs: [],
      action: { kind: 'preflight', host: host.name },
    })),
    {
      id: 'admit',
      title: 'Decide that every host is ours to clean',
      needs: spec.hosts.map((host) => `preflight:${host.name}`),
      action: { kind: 'admit' },
    },
    ...removals,
    {
      id: 'kubeconfig',
      title: "Remove the operator's kubeconfig",
      needs: before,
      action: { kind: 'remove-kubeconfig' },
    },
  ];
}
