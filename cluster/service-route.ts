/** How far a Service has come on its way from its pods to the hosts, as seen from outside. */
export interface ServiceRoute {
  /** Addresses of its pods that are ready. */
  readonly pods: readonly string[];
  /** Addresses in its EndpointSlices, as etcd has them. */
  readonly written: readonly string[];
  /** The host whose controller manager is active, which writes them. */
  readonly controllerManager: string;
  /** Addresses in its EndpointSlices, as each API server's own cache has them, by host. */
  readonly served: Readonly<Record<string, readonly string[]>>;
  /** Nodes where its port leads nowhere. */
  readonly cutOff: readonly string[];
}

/** A program that is up and healthy, and does not do its part. */
export interface Stuck {
  readonly unit: string;
  readonly hosts: readonly string[];
  readonly why: string;
}

/**
 * The first program on the way of a Service that does not pass it on. The active controller manager writes its
 * EndpointSlices, every API server serves them out of a cache of its own, and kube-proxy makes packet rules of them on
 * each node. Each is reported to start without a part of itself or to wait for ever for news, and to call itself healthy
 * (kubernetes/kubernetes#97294, #107583 and #38372, etcd-io/etcd#17611).
 */
export function stuckOn({ pods, written, controllerManager, served, cutOff }: ServiceRoute): Stuck | undefined {
  if (!holds(written, pods)) {
    return {
      unit: 'kube-controller-manager.service',
      hosts: [controllerManager],
      why: 'it writes no EndpointSlices of pods that are ready',
    };
  }
  const behind = Object.keys(served).filter((host) => !holds(served[host] ?? [], written));
  if (behind.length > 0) {
    return { unit: 'kube-apiserver.service', hosts: behind, why: 'it serves older EndpointSlices than etcd has' };
  }
  if (cutOff.length === 0) return undefined;
  return {
    unit: 'kube-proxy.service',
    hosts: cutOff,
    why: 'a Service whose EndpointSlices are right leads nowhere there',
  };
}

function holds(all: readonly string[], some: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
