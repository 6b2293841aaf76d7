import type { ClusterSpec } from '../spec.js';
import type { ManifestSet } from '../steps.js';
import { bootstrapRbac } from './bootstrap-rbac.js';
import { coredns } from './coredns.js';
import { flannel } from './flannel.js';
import type { Manifest } from './manifest.js';

/** The objects of one set, in the order in which they are applied. */
export function manifestSet(set: ManifestSet, spec: ClusterSpec): Manifest[] {
  switch (set) {
    case 'bootstrap-rbac':
      return bootstrapRbac();
    case 'flannel':
      return flannel(spec);
    case 'coredns':
      return coredns(spec);
  }
}
