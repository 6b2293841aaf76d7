import type { MirrorPlan, Source } from './plan.js';

/** Debian packages that building the mirrors of `plans` needs on this machine, sorted. */
export function prerequisites(plans: readonly MirrorPlan[]): string[] {
  const needed = plans.flatMap(({ sources }) => Object.values(sources).flatMap(packagesFor));
  return [...new Set(['debian-archive-keyring', 'dpkg', ...needed])].sort();
}

function packagesFor(source: Source): string[] {
  switch (source.kind) {
    case 'debian-packages':
      return [];
    case 'kubernetes-source':
      return ['dpkg-dev', `golang-${source.go}-go`];
    case 'kubernetes-programs':
      return [`golang-${source.go}-go`];
    case 'go-module':
      // Their compiler is pinned, and newer than Debian's.
      return ['ca-certificates', ...(source.cgo === undefined ? [] : ['gcc', 'libc6-dev', 'pkg-config'])];
    case 'static-program':
      return ['gcc', 'libc6-dev'];
  }
}
