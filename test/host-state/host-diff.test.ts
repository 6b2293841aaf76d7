import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sysctlFile } from '../../cluster/sysctl-file.js';
import fc from 'fast-check';
import { noTraces, nothing, type DesiredUnit, type HostState } from '../../cluster/desired-state.js';
import {
  diffHostState,
  filesOf,
  moduleFile,
  type Change,
  type HostObservation,
  type ObservedUnit,
  type ResolvedFile,
} from '../../cluster/host-diff.js';

const empty: HostObservation = {
  packages: new Map(),
  accounts: new Map(),
  directories: new Map(),
  files: new Map(),
  blocks: new Map(),
  modules: new Map(),
  sysctls: new Map(),
  units: new Map(),
  images: undefined,
  leftovers: [],
  now: 1000,
  changedAt: new Map(),
};
const file: ResolvedFile = { path: '/etc/a', mode: 0o600, owner: 'root:root', form: 'whole', sha256: 'aa' };
const block: ResolvedFile = { ...file, path: '/etc/hosts', form: 'block' };
const unit: DesiredUnit = {
  name: 'a.service',
  enabled: true,
  running: true,
  restartOn: ['/etc/a'],
  startTimeoutSeconds: 90,
};
const running: ObservedUnit = {
  fileState: 'enabled',
  activeState: 'active',
  subState: 'running',
  needDaemonReload: false,
  activeSince: 500,
  loadedFrom: ['/etc/systemd/system/a.service'],
};

interface Case {
  readonly title: string;
  readonly state?: Partial<HostState>;
  readonly files?: readonly ResolvedFile[];
  readonly observed?: Partial<HostObservation>;
  readonly changes: readonly string[];
}

const withUnit = (seen: Partial<ObservedUnit>, wanted: Partial<DesiredUnit> = {}): Omit<Case, 'title' | 'changes'> => ({
  state: { units: [{ ...unit, ...wanted }] },
  observed: { units: new Map([['a.service', { ...running, ...seen }]]) },
});
const sysctl = { state: { kernel: { modules: [], sysctls: { 'net.a': '1 2' } } } };

const cases: Case[] = [
  { title: 'nothing wanted is nothing to do', changes: [] },
  { title: 'a missing package', state: { packages: ['haproxy'] }, changes: ['package haproxy: not installed'] },
  { title: 'a missing account', state: { accounts: [{ name: 'etcd' }] }, changes: ['account etcd: does not exist'] },
  {
    title: 'a directory with another mode and owner',
    state: { directories: [{ path: '/d', mode: 0o700, owner: 'etcd:etcd' }] },
    observed: { directories: new Map([['/d', { kind: 'directory', mode: 0o755, owner: 'root:root' }]]) },
    changes: ['directory /d: mode 0755, wanted 0700, owner root:root, wanted etcd:etcd'],
  },
  { title: 'a missing file', files: [file], changes: ['file /etc/a: does not exist'] },
  {
    title: 'a symbolic link in the place of a file',
    files: [file],
    observed: { files: new Map([['/etc/a', { kind: 'not-regular' }]]) },
    changes: ['file /etc/a: not a regular file'],
  },
  {
    title: 'a file with other content and mode',
    files: [file],
    observed: { files: new Map([['/etc/a', { kind: 'regular', mode: 0o644, owner: 'root:root', sha256: 'bb' }]]) },
    changes: ['file /etc/a: content differs, mode 0644, wanted 0600'],
  },
  {
    title: 'a file that is right',
    files: [file],
    observed: { files: new Map([['/etc/a', { kind: 'regular', mode: 0o600, owner: 'root:root', sha256: 'aa' }]]) },
    changes: [],
  },
  { title: 'a missing block', files: [block], changes: ['block /etc/hosts: block does not exist'] },
  {
    title: 'a block that differs',
    files: [block],
    observed: { blocks: new Map([['/etc/hosts', { kind: 'present', sha256: 'bb' }]]) },
    changes: ['block /etc/hosts: block differs'],
  },
  {
    title: 'a module that is not loaded',
    state: { kernel: { modules: [{ name: 'br_netfilter', evidence: '/proc/x' }], sysctls: {} } },
    changes: ['module br_netfilter: not loaded'],
  },
  { title: 'a setting with tabs in it', ...sysctl, observed: { sysctls: new Map([['net.a', '1\t2 ']]) }, changes: [] },
  {
    title: 'a setting with another value',
    ...sysctl,
    observed: { sysctls: new Map([['net.a', '0']]) },
    changes: ['sysctl net.a: 0, wanted 1 2'],
  },
  { title: 'a setting that is not there', ...sysctl, changes: ['sysctl net.a: the kernel does not have it'] },
  { title: 'a unit that is right', ...withUnit({}), changes: [] },
  {
    title: 'a unit that is not there',
    state: { units: [unit] },
    changes: ['unit a.service: not enabled, stopped; enable start'],
  },
  {
    title: 'a unit that failed',
    ...withUnit({ activeState: 'failed' }),
    changes: ['unit a.service: failed; start'],
  },
  {
    title: 'a unit in a restart loop',
    ...withUnit({ activeState: 'activating', subState: 'auto-restart' }),
    changes: ['unit a.service: activating (auto-restart); start'],
  },
  {
    title: 'a unit that is not to run',
    ...withUnit({}, { enabled: false, running: false }),
    changes: ['unit a.service: enabled, running; disable stop'],
  },
  {
    title: 'a unit that does not exist and is not to run',
    state: { units: [{ ...unit, enabled: false, running: false }] },
    changes: [],
  },
  {
    title: 'a unit that is not wanted, and that a package would enable and start',
    state: { packages: ['a'], units: [{ ...unit, enabled: false, running: false, broughtBy: 'a' }] },
    changes: ['package a: not installed', 'unit a.service: comes with a; disable stop'],
  },
  {
    title: 'a unit that is not wanted, whose package has been installed and dealt with',
    state: { packages: ['a'], units: [{ ...unit, enabled: false, running: false, broughtBy: 'a' }] },
    observed: {
      packages: new Map([['a', true]]),
      units: new Map([['a.service', { ...running, fileState: 'disabled', activeState: 'inactive', subState: 'dead' }]]),
    },
    changes: [],
  },
  {
    title: 'a unit that reads a file that changes',
    ...withUnit({}),
    files: [file],
    changes: ['file /etc/a: does not exist', 'unit a.service: reads /etc/a, which changes; restart'],
  },
  {
    title: 'a unit whose drop-in changes',
    ...withUnit({}),
    files: [{ ...file, path: '/etc/systemd/system/a.service.d/b.conf' }],
    changes: [
      'file /etc/systemd/system/a.service.d/b.conf: does not exist',
      'unit a.service: reads /etc/systemd/system/a.service.d/b.conf, which changes; restart',
    ],
  },
  {
    title: 'a unit that was not restarted after a file changed, because that run was killed',
    state: { units: [unit] },
    observed: { units: new Map([['a.service', running]]), changedAt: new Map([['/etc/a', 500.1]]) },
    changes: ['unit a.service: runs since before /etc/a changed; restart'],
  },
  {
    title: 'a unit that was started after its unit file changed',
    state: { units: [unit] },
    observed: {
      units: new Map([['a.service', running]]),
      changedAt: new Map([['/etc/systemd/system/a.service', 499.9]]),
    },
    changes: [],
  },
  {
    title: 'a file from the future, because the clock was set back',
    state: { units: [unit] },
    observed: { units: new Map([['a.service', running]]), changedAt: new Map([['/etc/a', 2000]]) },
    changes: [],
  },
  {
    title: 'a unit file that systemd has not read again',
    ...withUnit({ needDaemonReload: true }),
    changes: ['unit a.service: its unit file was not reloaded'],
  },
  {
    title: 'an image while the container runtime does not answer',
    state: { images: [{ reference: 'pause:1', archive: { artifact: 'pause' } }] },
    changes: ['image pause:1: not in the container runtime'],
  },
  {
    title: 'an image that is there',
    state: { images: [{ reference: 'pause:1', archive: { artifact: 'pause' } }] },
    observed: { images: new Set(['pause:1']) },
    changes: [],
  },
  {
    title: 'what an interrupted run left',
    observed: { leftovers: ['/etc/.a.ha-kubernetes-new'] },
    changes: ['leftover /etc/.a.ha-kubernetes-new: left by an interrupted run'],
  },
];

function describe(change: Change): string {
  const todo = change.kind === 'unit' ? [change.enablement, change.run].filter((part) => part !== undefined) : [];
  return `${change.kind} ${change.what}: ${change.why}${todo.length > 0 ? `; ${todo.join(' ')}` : ''}`;
}

for (const { title, state, files, observed, changes } of cases) {
  test(`difference: ${title}`, () => {
    const found = diffHostState({ ...nothing, ...state }, files ?? [], { ...empty, ...observed });
    assert.deepEqual(found.map(describe), changes);
  });
}

test('kernel settings and modules bring the files that keep them over a reboot, one each', () => {
  const kernel = { modules: [{ name: 'overlay', evidence: '/x' }], sysctls: { 'net.ipv4.ip_forward': '1' } };
  assert.deepEqual(
    filesOf({ files: [], kernel }).map(({ path, content }) => [path, content]),
    [
      [moduleFile('overlay'), { kind: 'text', text: 'overlay\n' }],
      [sysctlFile('net.ipv4.ip_forward'), { kind: 'text', text: 'net.ipv4.ip_forward = 1\n' }],
    ],
  );
});

test("a kernel setting of ours comes after the administrator's own file when a host boots", () => {
  const files = ['99-sysctl.conf', '99-zz-cloud.conf', 'z-last.conf', 'local.conf', 'vm.conf'];
  const ours = sysctlFile('vm.panic_on_oom').slice('/etc/sysctl.d/'.length);
  assert.equal([...files, ours].sort().at(-1), ours);
});

const name = fc.constantFrom('a', 'b', 'c', 'd');
const path = fc.constantFrom(
  '/etc/a',
  '/etc/b',
  '/etc/systemd/system/a.service',
  '/etc/systemd/system/b.service.d/x.conf',
);
const permissions = { mode: fc.constantFrom(0o600, 0o644, 0o755), owner: fc.constantFrom('root:root', 'etcd:etcd') };
const digest = fc.constantFrom('aa', 'bb', 'cc');
const unique = <T>(item: fc.Arbitrary<T>, key: (item: T) => string): fc.Arbitrary<T[]> =>
  fc.uniqueArray(item, { selector: key, maxLength: 4 });
const map = <T>(keys: fc.Arbitrary<string>, value: fc.Arbitrary<T>): fc.Arbitrary<Map<string, T>> =>
  fc.array(fc.tuple(keys, value), { maxLength: 4 }).map((entries) => new Map(entries));
const unitName = name.map((letter) => `${letter}.service`);

const anyState: fc.Arbitrary<HostState> = fc.record({
  packages: unique(name, String),
  accounts: unique(fc.record({ name }), (account) => account.name),
  directories: unique(fc.record({ path, ...permissions }), (directory) => directory.path),
  files: fc.constant([]),
  kernel: fc.record({
    modules: unique(fc.record({ name, evidence: fc.constant('/x') }), (module) => module.name),
    sysctls: fc.dictionary(name, fc.constantFrom('0', '1')),
  }),
  units: unique(
    fc.record({
      name: unitName,
      enabled: fc.boolean(),
      running: fc.boolean(),
      restartOn: fc.array(path, { maxLength: 2 }),
      startTimeoutSeconds: fc.constant(10),
    }),
    (wanted) => wanted.name,
  ),
  images: unique(fc.record({ reference: name, archive: fc.constant({ artifact: 'x' }) }), (image) => image.reference),
  ready: fc.constant([]),
  traces: fc.constant(noTraces),
});
const anyFiles = unique<ResolvedFile>(
  fc.record({ path, ...permissions, form: fc.constantFrom('whole', 'block'), sha256: digest }),
  (wanted) => wanted.path,
);
const anyUnit: fc.Arbitrary<ObservedUnit> = fc.record({
  fileState: fc.constantFrom('enabled', 'disabled', 'static', 'masked', ''),
  activeState: fc.constantFrom('active', 'inactive', 'failed', 'activating'),
  subState: fc.constant('x'),
  needDaemonReload: fc.boolean(),
  activeSince: fc.integer({ min: 0, max: 1000 }),
  loadedFrom: fc.array(path, { maxLength: 1 }),
});
const anyObservation: fc.Arbitrary<HostObservation> = fc.record({
  packages: map(name, fc.boolean()),
  accounts: map(name, fc.boolean()),
  directories: map(
    path,
    fc.oneof(
      fc.constant({ kind: 'not-directory' as const }),
      fc.record({ kind: fc.constant('directory' as const), ...permissions }),
    ),
  ),
  files: map(
    path,
    fc.oneof(
      fc.constant({ kind: 'not-regular' as const }),
      fc.record({ kind: fc.constant('regular' as const), ...permissions, sha256: digest }),
    ),
  ),
  blocks: map(path, fc.record({ kind: fc.constant('present' as const), sha256: digest })),
  modules: map(name, fc.boolean()),
  sysctls: map(name, fc.constantFrom('0', '1', undefined)),
  units: map(unitName, anyUnit),
  images: fc.option(
    fc.array(name).map((names) => new Set(names)),
    { nil: undefined },
  ),
  leftovers: fc.array(path, { maxLength: 2 }),
  now: fc.constant(1000),
  // A time in the future stands for a clock that was set back.
  changedAt: map(path, fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constant(1_000_000))),
});

/** A host on which every change does what it says; time passes with every change. */
function applyAll(
  state: HostState,
  files: readonly ResolvedFile[],
  before: HostObservation,
  changes: readonly Change[],
): HostObservation {
  const host = {
    packages: new Map(before.packages),
    accounts: new Map(before.accounts),
    directories: new Map(before.directories),
    files: new Map(before.files),
    blocks: new Map(before.blocks),
    modules: new Map(before.modules),
    sysctls: new Map(before.sysctls),
    units: new Map(before.units),
    images: new Set(before.images),
    leftovers: before.leftovers,
    now: before.now,
    changedAt: new Map(before.changedAt),
  };
  for (const change of changes) {
    host.now += 1;
    const { what } = change;
    const wanted = files.find((candidate) => candidate.path === what);
    switch (change.kind) {
      case 'leftover':
        host.leftovers = host.leftovers.filter((left) => left !== what);
        break;
      case 'package':
        host.packages.set(what, true);
        break;
      case 'account':
        host.accounts.set(what, true);
        break;
      case 'directory': {
        const directory = state.directories.find((candidate) => candidate.path === what);
        if (directory !== undefined) host.directories.set(what, { kind: 'directory', ...directory });
        break;
      }
      case 'file':
        if (wanted !== undefined) host.files.set(what, { kind: 'regular', ...wanted });
        host.changedAt.set(what, host.now);
        break;
      case 'block':
        if (wanted !== undefined) host.blocks.set(what, { kind: 'present', sha256: wanted.sha256 });
        host.changedAt.set(what, host.now);
        break;
      case 'module':
        host.modules.set(what, true);
        break;
      case 'sysctl':
        host.sysctls.set(what, state.kernel.sysctls[what]);
        break;
      case 'image':
        host.images.add(what);
        break;
      case 'unit': {
        const seen = host.units.get(what) ?? { ...running, fileState: '', activeState: 'inactive', loadedFrom: [] };
        host.units.set(what, {
          ...seen,
          needDaemonReload: false,
          ...(change.enablement !== undefined && {
            fileState: change.enablement === 'enable' ? 'enabled' : 'disabled',
          }),
          ...(change.run === 'stop' && { activeState: 'inactive' }),
          ...(['start', 'restart'].includes(change.run ?? '') && { activeState: 'active', activeSince: host.now }),
        });
        break;
      }
    }
  }
  return host;
}

test('for any state and any host, after all changes there is no difference', () => {
  fc.assert(
    fc.property(anyState, anyFiles, anyObservation, (state, files, observed) => {
      const after = applyAll(state, files, observed, diffHostState(state, files, observed));
      assert.deepEqual(diffHostState(state, files, after), []);
    }),
    { numRuns: 2000 },
  );
});

test('no two changes are about the same thing', () => {
  fc.assert(
    fc.property(anyState, anyFiles, anyObservation, (state, files, observed) => {
      const things = diffHostState(state, files, observed)
        .filter(({ kind }) => kind !== 'leftover')
        .map(({ kind, what }) => `${kind} ${what}`);
      assert.equal(new Set(things).size, things.length);
    }),
  );
});
