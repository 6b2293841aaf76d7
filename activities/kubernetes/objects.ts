import { type KubeConfig, type KubernetesObject, KubernetesObjectApi } from '@kubernetes/client-node';

/**
 * Objects of every kind, under the names that they have. Its parent makes paths lower case, and then does not find what
 * is not: a kubelet that joins names its request by a digest in base64url (@kubernetes/client-node, object.ts,
 * specUriPath; kubernetes/kubernetes, pkg/kubelet/certificate/bootstrap, digestedName).
 */
class Objects extends KubernetesObjectApi {
  protected override async specUriPath(spec: KubernetesObject, action: string): Promise<string> {
    const path = await super.specUriPath(spec, action as never);
    const name = spec.metadata?.name;
    if (action === 'create' || action === 'list' || name === undefined) return path;
    return path.slice(0, path.lastIndexOf('/') + 1) + encodeURIComponent(name);
  }
}

/** A client for objects of every kind; those in a namespace say which. */
export function objects(config: KubeConfig): KubernetesObjectApi {
  return config.makeApiClient(Objects);
}
