import { diffLines } from 'diff';
import { stringify } from 'yaml';
import { manifestSet, manifestSets } from './addons/index.js';
import type { ArtifactLock, Description } from './artifacts.js';
import { componentsOf, componentState } from './components/index.js';
import type { FileContent, HostState } from './desired-state.js';
import type { HostFacts } from './facts.js';
import type { Host } from './spec.js';

/** One thing that two descriptions describe differently. */
export interface Difference {
  /** The path of a file, the name of a package, an image, a unit, an object of the cluster. */
  readonly what: string;
  /** In words, e.g. `is new`; absent where the lines say all. */
  readonly how?: string;
  /** Lines of text that go (`- `) and that come (`+ `). */
  readonly lines: readonly string[];
}

/** The differences of one component, on every host where they are the same. */
export interface Differences {
  /** Names of hosts; the cluster itself where there is none. */
  readonly hosts: readonly string[];
  /** A component, or a set of objects of the cluster. */
  readonly component: string;
  readonly differences: readonly Difference[];
}

/** What hosts are taken for, as none is asked: a distribution of today. Both descriptions see the same. */
const FACTS: HostFacts = {
  distribution: 'debian-12',
  machine: 'x86_64',
  resolvConf: '/etc/resolv.conf',
  ipvs: true,
  nftables: true,
  cgroup: 'v2',
};

/**
 * What differs between two descriptions of a cluster, in files, flags, programs, images and objects. Looks at no host, so
 * it tells neither of drift nor of secrets: contents that the descriptions only refer to are not read.
 */
export function compareDescriptions(before: Description, after: Description): Differences[] {
  return [...merged(hostDifferences(before, after)), ...objectDifferences(before, after)];
}

function hostDifferences(before: Description, after: Description): Differences[] {
  const earlier = new Map(before.spec.hosts.map((host) => [host.name, host]));
  const later = new Map(after.spec.hosts.map((host) => [host.name, host]));
  return [...new Set([...earlier.keys(), ...later.keys()])].flatMap((name): Differences[] => {
    const [was, is] = [earlier.get(name), later.get(name)];
    if (was === undefined || is === undefined) {
      const how =
        was === undefined ? `is new: ${is?.roles.join(', ')}` : 'is not in the file any more; it is left alone';
      return [{ hosts: [name], component: 'host', differences: [{ what: name, how, lines: [] }] }];
    }
    const components = [...new Set([...componentsOf(before.spec, was), ...componentsOf(after.spec, is)])];
    return components.flatMap((component) => {
      const things = ({ spec, lock }: Description, host: Host): Things =>
        componentsOf(spec, host).includes(component)
          ? thingsOf(componentState(component, { spec, host, lock, facts: FACTS }), lock)
          : new Map<string, string>();
      const differences = compare(
        things(before, was),
        things(after, is),
        'is not described any more; stays on the host',
      );
      return differences.length === 0 ? [] : [{ hosts: [name], component, differences }];
    });
  });
}

function objectDifferences(before: Description, after: Description): Differences[] {
  const things = (set: (typeof manifestSets)[number], description: Description): Things =>
    new Map(
      manifestSet(set, description).map((object) => {
        const { namespace, name } = object.metadata;
        return [`${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`, stringify(object)];
      }),
    );
  return manifestSets.flatMap((set) => {
    const differences = compare(things(set, before), things(set, after), 'is removed');
    return differences.length === 0 ? [] : [{ hosts: [], component: set, differences }];
  });
}

/** What is described, by name: one line, or the lines of a text. */
type Things = ReadonlyMap<string, string>;

/** @param gone - what becomes of a thing that is described no more */
function compare(before: Things, after: Things, gone: string): Difference[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((what): Difference[] => {
    const [was, is] = [before.get(what), after.get(what)];
    if (was === is) return [];
    if (was === undefined) return [{ what, how: 'is new', lines: [] }];
    if (is === undefined) return [{ what, how: gone, lines: [] }];
    if (!`${was}${is}`.includes('\n')) return [{ what, how: `from ${was} to ${is}`, lines: [] }];
    return [{ what, lines: changedLines(was, is) }];
  });
}

function changedLines(before: string, after: string): string[] {
  return diffLines(whole(before), whole(after))
    .filter(({ added, removed }) => added || removed)
    .flatMap(({ value, added }) =>
      value
        .trimEnd()
        .split('\n')
        .map((line) => `${added ? '+' : '-'} ${line.trim()}`),
    );
}

/** Without what only joins one line of a unit file to the next, so that a flag is the same wherever it stands. */
function whole(text: string): string {
  return `${text.replaceAll(' \\\n', '\n').trimEnd()}\n`;
}

function thingsOf(state: HostState, lock: ArtifactLock): Things {
  const files = state.files.map(({ path, mode, owner, content }) => {
    const text = content.kind === 'text' || content.kind === 'block' ? content.text : origin(content, lock);
    return [path, text.includes('\n') ? `mode ${mode.toString(8)}, owner ${owner}\n${text}` : text] as const;
  });
  return new Map([
    ...state.packages.map((name) => [`package ${name}`, ''] as const),
    ...state.accounts.map(({ name }) => [`account ${name}`, ''] as const),
    ...state.directories.map(({ path, mode, owner }) => [path, `mode ${mode.toString(8)}, owner ${owner}`] as const),
    ...files,
    ...state.kernel.modules.map(({ name }) => [`kernel module ${name}`, ''] as const),
    ...Object.entries(state.kernel.sysctls).map(([name, value]) => [`kernel setting ${name}`, value] as const),
    ...state.units.map(
      ({ name, enabled, running }) =>
        [name, `${enabled ? 'enabled' : 'disabled'}, ${running ? 'running' : 'stopped'}`] as const,
    ),
    ...state.images.map(({ reference }) => [`image ${reference}`, ''] as const),
  ]);
}

/** Where the bytes of a file come from that is no text. */
function origin(content: Exclude<FileContent, { kind: 'text' | 'block' }>, lock: ArtifactLock): string {
  switch (content.kind) {
    case 'artifact': {
      const { artifact } = content.artifact;
      return `${artifact} ${lock.artifacts.find(({ name }) => name === artifact)?.version ?? ''}`;
    }
    case 'certificate':
      return `certificate ${content.certificate}`;
    case 'private-key':
    case 'public-key':
      return `${content.kind} ${content.key}`;
    case 'kubeconfig':
      return `kubeconfig of ${content.certificate} for ${content.server}`;
    case 'encryption-config':
      return 'keys of the Secrets in etcd';
  }
}

/** Puts hosts together that differ in the same way. */
function merged(all: readonly Differences[]): Differences[] {
  const groups = new Map<string, Differences>();
  for (const { hosts, component, differences } of all) {
    const key = JSON.stringify([component, differences]);
    groups.set(key, { hosts: [...(groups.get(key)?.hosts ?? []), ...hosts], component, differences });
  }
  return [...groups.values()];
}
