import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NODE_API_URL } from '../../cluster/components/api-endpoint.js';
import { hostState } from '../../cluster/components/host.js';
import { componentsOf, componentState, type Component } from '../../cluster/components/index.js';
import type { DesiredFile, HostState } from '../../cluster/desired-state.js';
import { certificatePlan } from '../../cluster/pki.js';
import { hostsWithRole } from '../../cluster/topology.js';
import type { ClusterSpec, Host } from '../../cluster/spec.js';
import { anySpec, debianFacts, lockFor, seedDocument, specOf } from './documents.js';

const facts = { ...debianFacts, ipvs: true };

interface Described {
  readonly spec: ClusterSpec;
  readonly host: Host;
  readonly component: Component;
  readonly state: HostState;
}

/** What every component wants on every host of a spec. */
function described(spec: ClusterSpec): Described[] {
  return spec.hosts.flatMap((host) =>
    componentsOf(spec, host).map((component) => ({
      spec,
      host,
      component,
      state: componentState(component, { spec, host, lock: lockFor(spec.kubernetes), facts }),
    })),
  );
}

function everyComponent(check: (component: Described) => void): void {
  fc.assert(
    fc.property(anySpec, (spec) => described(spec).forEach(check)),
    { numRuns: 30 },
  );
}

/** A host's files, with those of all its components. */
function filesByHost(spec: ClusterSpec): Map<string, DesiredFile[]> {
  const files = new Map<string, DesiredFile[]>();
  for (const { host, state } of described(spec)) {
    files.set(host.name, [...(files.get(host.name) ?? []), ...state.files]);
  }
  return files;
}

/** The command line of a unit file, joined into one line. */
function flagsOf({ content }: DesiredFile): string[] {
  if (content.kind !== 'text') return [];
  const command = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(content.text)?.[1] ?? '';
  return [...command.matchAll(/ --([a-z0-9-]+)(?==| |$)/gm)].map(([, flag]) => flag ?? '');
}

test('paths are absolute, without dots, and unique in a component', () => {
  everyComponent(({ state, component }) => {
    const paths = [...state.files, ...state.directories].map(({ path }) => path);
    for (const path of paths) assert.match(path, /^(\/[A-Za-z0-9_@-][A-Za-z0-9._@-]*)+$/, component);
    assert.equal(new Set(paths).size, paths.length, component);
  });
});

test('two components of one host never want different things of one path', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      for (const files of filesByHost(spec).values()) {
        const wanted = new Map<string, DesiredFile>();
        for (const file of files) {
          assert.deepEqual(file, wanted.get(file.path) ?? file);
          wanted.set(file.path, file);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('private keys and kubeconfigs are readable by their owner alone', () => {
  everyComponent(({ state }) => {
    for (const { path, mode, content } of state.files) {
      if (['private-key', 'kubeconfig', 'encryption-config'].includes(content.kind)) assert.equal(mode, 0o600, path);
    }
  });
});

test('nobody but its owner can write a file, and no file is set-uid', () => {
  everyComponent(({ state }) => {
    for (const { path, mode } of [...state.files, ...state.directories]) assert.equal(mode & 0o7022, 0, path);
  });
});

test('every certificate and key that a component wants is in the plan of the PKI', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const plan = certificatePlan(spec);
      const certificates = new Set([...plan.authorities, ...plan.certificates].map(({ name }) => name));
      const keys = new Set([...certificates, ...plan.keyPairs]);
      for (const { path, content } of described(spec).flatMap(({ state }) => state.files)) {
        if (content.kind === 'certificate' || content.kind === 'kubeconfig') {
          assert.ok(certificates.has(content.certificate), `${path}: ${content.certificate}`);
        }
        if (content.kind === 'private-key') assert.ok(keys.has(content.key), `${path}: ${content.key}`);
        if (content.kind === 'public-key') assert.ok(plan.keyPairs.includes(content.key), `${path}: ${content.key}`);
      }
    }),
  );
});

test("a host holds no certificate or key of another host, and no authority's key but the one that signs for nodes", () => {
  everyComponent(({ host, state, component }) => {
    for (const { path, content } of state.files) {
      const name =
        content.kind === 'private-key' ? content.key : 'certificate' in content ? content.certificate : undefined;
      if (name?.includes('/')) assert.equal(name.split('/')[1], host.name, path);
      if (content.kind === 'private-key' && content.key.endsWith('-ca')) {
        assert.equal(component, 'kube-controller-manager');
        assert.ok(['kubernetes-ca', 'kubelet-serving-ca'].includes(content.key), content.key);
      }
    }
  });
});

test('every program is of an artifact in the lock file', () => {
  everyComponent(({ spec, state }) => {
    const artifacts = new Set(lockFor(spec.kubernetes).artifacts.map(({ name }) => name));
    for (const { path, content } of state.files) {
      if (content.kind === 'artifact') assert.ok(artifacts.has(content.artifact.artifact), path);
    }
  });
});

test('a unit restarts on files that exist, on its own unit file first of all', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const files = filesByHost(spec);
      for (const { host, state } of described(spec)) {
        const paths = new Set((files.get(host.name) ?? []).map(({ path }) => path));
        for (const unit of state.units) {
          for (const path of unit.restartOn) assert.ok(paths.has(path), `${unit.name} restarts on ${path}`);
          const own = `/etc/systemd/system/${unit.name}`;
          if (paths.has(own)) assert.equal(unit.restartOn[0], own);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('a unit that the deployer writes restarts when any other file of its component changes', () => {
  everyComponent(({ state, component }) => {
    for (const unit of state.units.filter(({ restartOn }) => restartOn.length > 0)) {
      // What a person or a probe uses, and the daemon does not read.
      const aside = /\/(admin\.conf|healthcheck-client\.(crt|key))$/;
      const missed = state.files.filter(({ path }) => !unit.restartOn.includes(path) && !aside.test(path));
      assert.deepEqual(
        missed.map(({ path }) => path),
        [],
        component,
      );
    }
  });
});

test('no flag is given twice', () => {
  let seen = 0;
  everyComponent(({ state }) => {
    for (const file of state.files.filter(({ path }) => path.endsWith('.service'))) {
      const flags = flagsOf(file);
      seen += flags.length;
      assert.equal(new Set(flags).size, flags.length, file.path);
    }
  });
  assert.ok(seen > 0, 'no flag was found');
});

test('files that a flag names are written by a component of that host, or by the kubelet itself', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      for (const files of filesByHost(spec).values()) {
        const paths = new Set(files.map(({ path }) => path));
        const texts = files.flatMap(({ path, content }) =>
          path.endsWith('.service') && content.kind === 'text' ? [content.text] : [],
        );
        for (const [, path = ''] of texts.join('\n').matchAll(/=(\/\S+\.(?:crt|key|pub|conf|yaml|cfg|toml))(?=\s)/g)) {
          const own = ['/etc/kubernetes/kubelet.conf', '/etc/kubernetes/bootstrap-kubelet.conf'].includes(path);
          assert.ok(own || paths.has(path), `${path} is named by a flag and written by nobody`);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('nothing secret stands in desired state as text', () => {
  everyComponent(({ state }) => {
    for (const { path, content } of state.files) {
      if (content.kind !== 'text' && content.kind !== 'block') continue;
      assert.doesNotMatch(path, /\.(key|conf|pem)$/);
      assert.doesNotMatch(content.text, /PRIVATE KEY|client-key-data|\btoken:|password|[a-z0-9]{6}\.[a-z0-9]{16}\b/i);
    }
  });
});

test('no program of a distribution runs beside the confined unit that takes it', () => {
  everyComponent(({ component, host, state }) => {
    if (component !== 'host') return;
    const own = state.units.find(({ name }) => name === 'haproxy.service');
    if (host.roles.includes('node')) {
      assert.deepEqual([own?.enabled, own?.running, own?.broughtBy], [false, false, 'haproxy']);
      assert.ok(state.packages.includes('haproxy'));
    } else assert.equal(own, undefined);
  });
});

test('a program that a probe calls is on the host: sent, a package, or one that every Debian has', () => {
  everyComponent(({ spec, host, state }) => {
    const packages = componentState('host', { spec, host, lock: lockFor(spec.kubernetes), facts }).packages;
    for (const { command, title } of state.ready) {
      if (/\bcurl\b/.test(command)) assert.ok(packages.includes('curl'), title);
    }
  });
});

test('the seed is described byte for byte the same each time', () => {
  assert.deepEqual(described(specOf(seedDocument())), described(specOf(seedDocument())));
});

test('chrony is installed where nothing keeps the clock, and takes the place of nothing that does', () => {
  const spec = specOf(seedDocument());
  for (const [hostKind, timeService, wanted] of [
    ['machine', undefined, true],
    ['machine', 'systemd-timesyncd', false],
    ['machine', 'ntpsec', false],
    ['container', undefined, false],
  ] as const) {
    const { packages, units, traces } = hostState(
      { ...spec, hostKind },
      spec.hosts[0] ?? assert.fail(),
      timeService === undefined ? facts : { ...facts, timeService },
    );
    assert.equal(packages.includes('chrony'), wanted, `${hostKind} ${timeService}`);
    assert.equal(
      units.some(({ name }) => name === 'chrony.service'),
      wanted,
    );
    assert.equal(traces.accounts.includes('_chrony'), wanted);
  }
});

test('a node keeps its node ports out of what outgoing connections get, as the kernel writes a range', () => {
  for (const [nodePorts, reserved] of [
    ['20000-50000', '20000-50000'],
    ['30000-30000', '30000'],
  ] as const) {
    const document = seedDocument();
    document.network['nodePorts'] = nodePorts;
    const kernel = described(specOf(document))
      .filter(({ host, component }) => host.name === 'node01' && component === 'host')
      .map(({ state }) => state.kernel.sysctls['net.ipv4.ip_local_reserved_ports']);
    assert.deepEqual(kernel, [reserved]);
  }
});

test('a node that boots with another name and another /etc/hosts is the same node, and finds its API', () => {
  everyComponent(({ spec, host, component, state }) => {
    for (const { path, content } of state.files) {
      if (content.kind === 'kubeconfig') assert.match(content.server, /^https:\/\/(\d+\.){3}\d+:\d+$/, path);
      const text = content.kind === 'text' ? content.text : '';
      if (path.endsWith('/kubelet.service'))
        assert.ok(flagsOf({ path, mode: 0, owner: '', content }).includes('hostname-override'));
      if (path === '/var/lib/kube-proxy/config.yaml')
        assert.match(text, new RegExp(`^hostnameOverride: ${host.name}$`, 'm'));
      // Neither may a name stand where a program is told whom to talk to.
      if (component !== 'host') assert.ok(!text.includes(`.${spec.domain}`), path);
    }
  });
  const [address] = certificatePlan(specOf(seedDocument()))
    .certificates.filter(({ name }) => name.startsWith('kube-apiserver/'))
    .map(({ sans }) => sans.ip.includes(new URL(NODE_API_URL).hostname));
  assert.equal(address, true, 'the address is in the certificate');
});

test('an API server asks its own etcd member alone, and all members where it has none', () => {
  fc.assert(
    fc.property(anySpec, (spec) => {
      const members = hostsWithRole(spec, 'etcd');
      for (const { host, component, state } of described(spec)) {
        if (component !== 'kube-apiserver') continue;
        const unit = state.files.find(({ path }) => path.endsWith('/kube-apiserver.service'))?.content;
        assert.ok(unit?.kind === 'text');
        const asked = /--etcd-servers=(\S+)/
          .exec(unit.text)?.[1]
          ?.split(',')
          .map((url) => new URL(url).hostname);
        const own = members.filter(({ name }) => name === host.name);
        assert.deepEqual(
          asked,
          (own.length > 0 ? own : members).map(({ address }) => address),
        );
      }
    }),
  );
});
