import { ADMINS, KUBELET_CLIENT } from '../pki.js';
import { clusterRoleBinding, group, user, type Manifest } from './manifest.js';

/** Group of the deployer's bootstrap tokens; a name of its own, so that no other token gets its rights. */
export const BOOTSTRAP_GROUP = 'system:bootstrappers:ha-kubernetes';

/**
 * What a joining node may do (seed, "允许node加入集群"): ask for a client certificate, nothing more. No binding approves
 * the first request by itself; renewals of a member's own certificate are approved by the controller manager
 * (kubernetes.io, "TLS bootstrapping").
 */
export function bootstrapRbac(): Manifest[] {
  return [
    clusterRoleBinding('ha-kubernetes:node-bootstrapper', 'system:node-bootstrapper', group(BOOTSTRAP_GROUP)),
    clusterRoleBinding(
      'ha-kubernetes:node-certificate-renewal',
      'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
      group('system:nodes'),
    ),
    clusterRoleBinding('ha-kubernetes:kubelet-api', 'system:kubelet-api-admin', user(KUBELET_CLIENT)),
    clusterRoleBinding('ha-kubernetes:cluster-admins', 'cluster-admin', group(ADMINS)),
  ];
}
