import type { MirrorPlan } from '../plan.js';
import { planFromModules } from './modules.js';
import { plan as v1_20_2 } from './v1.20.2.js';

/**
 * Every version whose mirror can be built. Beside the seed's: of each minor the newest patch that the Go registry has
 * and whose digest is in Go's checksum database, with the etcd, CoreDNS and pause of kubeadm's constants for that minor
 * (etcd: the newest patch).
 */
export const plans: readonly MirrorPlan[] = [
  v1_20_2,
  planFromModules({ kubernetes: '1.35.8', etcd: '3.6.16', coredns: '1.13.1', pause: '3.10.1' }),
  planFromModules({ kubernetes: '1.36.4', etcd: '3.6.16', coredns: '1.14.2', pause: '3.10.2' }),
  planFromModules({ kubernetes: '1.37.2', etcd: '3.7.3', coredns: '1.14.6', pause: '3.10.2' }),
];

/** The version that the seed deploys. */
export const seedVersion = v1_20_2.kubernetes;

/** The newest version that runs on real hosts have proven; script/lib.sh has both too. */
export const newestVersion = 'v1.37.2';
