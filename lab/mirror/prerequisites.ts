import type { MirrorPlan, Source } from './plan.js';

/** Debian packages that building the mirror of `plan` needs on this machine, sorted. */
export function prerequisites(plan: MirrorPlan): string[] {
  const needed = Object.values(plan.sources).flatMap(packagesFor);
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
      // The modules' own go.mod says how new a Go they need; Debian's may be too old for some.
      return ['ca-certificates'];
    case 'static-program':
      return ['gcc', 'libc6-dev'];
  }
}
