import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { componentsOf, componentState, type Component } from '../../cluster/components/index.js';
import type { DesiredFile, HostState } from '../../cluster/desired-state.js';
import { debianFacts, lockFor, seedDocument, specOf } from './documents.js';

const versions = ['v1.20.2', 'v1.36.4'];

interface OnHost {
  readonly component: Component;
  readonly state: HostState;
}

/** Every component of a host that has a role, in the seed's cluster at another version. */
function hostWith(role: 'control-plane' | 'node', kubernetes: string): OnHost[] {
  const spec = specOf({ ...seedDocument(), kubernetes });
  const host = spec.hosts.find(({ roles }) => roles.includes(role));
  assert.ok(host !== undefined);
  return componentsOf(spec, host).map((component) => ({
    component,
    state: componentState(component, { spec, host, lock: lockFor(kubernetes), facts: debianFacts }),
  }));
}

function filesOf(role: 'control-plane' | 'node', kubernetes: string): DesiredFile[] {
  return hostWith(role, kubernetes).flatMap(({ state }) => state.files);
}

function textOf(files: readonly DesiredFile[], path: string): string {
  const file = files.find((candidate) => candidate.path === path);
  if (file?.content.kind !== 'text') throw new Error(`there is no text file ${path}`);
  return file.content.text;
}

const unitOf = (name: string): string => `/etc/systemd/system/${name}.service`;

for (const version of versions) {
  const masterFiles = filesOf('control-plane', version);
  const nodeFiles = filesOf('node', version);

  test(`${version}: below /etc/kubernetes all is root's, and keys and kubeconfigs are for root alone (CIS 1.1.13 to 1.1.21)`, () => {
    const below = [...masterFiles, ...nodeFiles].filter(({ path }) => path.startsWith('/etc/kubernetes/'));
    assert.ok(below.length > 15);
    for (const { path, owner, mode } of below) {
      assert.equal(owner, 'root:root', path);
      if (/\.(key|conf)$/.test(path)) assert.equal(mode, 0o600, path);
      if (path.endsWith('.crt')) assert.equal(mode, 0o644, path);
    }
  });

  test(`${version}: unit files and the kubelet's configuration are for root alone (CIS 1.1.1 to 1.1.8, 4.1.1, 4.1.9)`, () => {
    const units = [...masterFiles, ...nodeFiles].filter(({ path }) => path.endsWith('.service'));
    assert.ok(units.length >= 8);
    for (const { path, mode } of units) assert.equal(mode, 0o600, path);
    assert.equal(nodeFiles.find(({ path }) => path === '/var/lib/kubelet/config.yaml')?.mode, 0o600);
  });

  test(`${version}: what a user other than root may not read, a unit gets as a credential, and reads as one`, () => {
    let seen = 0;
    for (const { path: unit, content } of masterFiles) {
      if (!unit.endsWith('.service') || content.kind !== 'text' || !/^User=(kube|konnectivity)-/m.test(content.text))
        continue;
      const loaded = [...content.text.matchAll(/^LoadCredential=([^:\n]+):(\/\S+)$/gm)];
      for (const [, name = '', path = ''] of loaded) {
        assert.ok(
          masterFiles.some((file) => file.path === path),
          `${unit} loads ${path}, which nobody writes`,
        );
        assert.ok(
          content.text.includes(`\${CREDENTIALS_DIRECTORY}/${name}`),
          `${unit} loads ${name} and does not use it`,
        );
      }
      const names = new Set(loaded.map(([, name]) => name));
      assert.equal(names.size, loaded.length, `${unit} loads two credentials of one name`);
      for (const [, name = ''] of content.text.matchAll(/\$\{CREDENTIALS_DIRECTORY\}\/(\S+)/g)) {
        assert.ok(names.has(name), `${unit} uses ${name} and does not load it`);
        seen += 1;
      }
      const command = content.text.slice(content.text.indexOf('ExecStart='), content.text.indexOf('Restart='));
      for (const [, path = ''] of command.matchAll(/=(\/etc\/\S+)/g)) {
        const file = masterFiles.find((candidate) => candidate.path === path);
        assert.ok(file !== undefined && (file.mode & 0o004) !== 0, `${unit} cannot read ${path}`);
      }
    }
    assert.ok(seen >= 11);
  });

  test(`${version}: nothing but the kubelet, containerd and kube-proxy runs as root or with a capability`, () => {
    const units = [...masterFiles, ...nodeFiles].filter(({ path }) => path.endsWith('.service'));
    const free = units.filter(
      ({ content }) =>
        content.kind === 'text' && !(/^User=/m.test(content.text) && /^CapabilityBoundingSet=$/m.test(content.text)),
    );
    assert.deepEqual(free.map(({ path }) => path).sort(), ['containerd', 'kube-proxy', 'kubelet'].map(unitOf).sort());
  });

  test(`${version}: the API server takes forward secrecy only, and records what is asked of it`, () => {
    const unit = textOf(masterFiles, unitOf('kube-apiserver'));
    assert.match(unit, /--tls-min-version=VersionTLS12/);
    assert.match(unit, /--tls-cipher-suites=(TLS_ECDHE_[A-Z0-9_]+,?)+ /);
    assert.match(unit, /--service-account-extend-token-expiration=false/);
    for (const [flag, least] of [
      ['maxage', 30],
      ['maxbackup', 10],
      ['maxsize', 100],
    ] as const) {
      assert.ok(Number(new RegExp(`--audit-log-${flag}=(\\d+)`).exec(unit)?.[1]) >= least, flag);
    }
    const logs = hostWith('control-plane', version).flatMap(({ state }) => state.directories);
    assert.deepEqual(
      logs.find(({ path }) => path === '/var/log/kubernetes'),
      { path: '/var/log/kubernetes', owner: 'kube-apiserver:kube-apiserver', mode: 0o700 },
    );
  });

  test(`${version}: the audit log holds no body of what may hold a secret, and no noise`, () => {
    const { rules } = parse(textOf(masterFiles, '/etc/kubernetes/audit-policy.yaml')) as { rules: Rule[] };
    for (const resource of ['secrets', 'configmaps', 'serviceaccounts/token', 'pods/exec']) {
      assert.equal(levelOf(rules, '', resource, 'create'), 'Metadata', resource);
    }
    assert.equal(levelOf(rules, 'authentication.k8s.io', 'tokenreviews', 'create'), 'Metadata');
    assert.equal(levelOf(rules, 'rbac.authorization.k8s.io', 'clusterrolebindings', 'create'), 'Request');
    assert.equal(levelOf(rules, 'rbac.authorization.k8s.io', 'clusterrolebindings', 'list'), 'Metadata');
    assert.equal(levelOf(rules, '', 'events', 'create'), 'None');
  });

  test(`${version}: the audit log has the whole of each decision about a certificate, and every strange hand at a lease`, () => {
    const { rules } = parse(textOf(masterFiles, '/etc/kubernetes/audit-policy.yaml')) as { rules: Rule[] };
    for (const resource of ['approval', 'status']) {
      const decided = `certificatesigningrequests/${resource}`;
      assert.equal(levelOf(rules, 'certificates.k8s.io', decided, 'update'), 'RequestResponse', decided);
    }
    assert.equal(levelOf(rules, 'certificates.k8s.io', 'certificatesigningrequests', 'create'), 'Metadata');
    const atLease = (user: string, groups: string[], namespace = 'kube-system', verb = 'update'): string | undefined =>
      levelOf(rules, 'coordination.k8s.io', 'leases', verb, { user, groups, namespace });
    const accounts = (namespace: string): string[] => [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ];
    const usual: [string, string[], string?, string?][] = [
      ['system:apiserver', ['system:masters']],
      ['system:kube-controller-manager', ['system:authenticated']],
      ['system:kube-scheduler', ['system:authenticated']],
      ['system:node:node01', ['system:nodes', 'system:authenticated'], 'kube-node-lease'],
      [
        'system:serviceaccount:kube-system:generic-garbage-collector',
        accounts('kube-system'),
        'kube-node-lease',
        'delete',
      ],
      ['system:serviceaccount:shop:operator', accounts('shop'), 'shop'],
      ['ada', ['system:authenticated'], 'kube-system', 'get'],
    ];
    for (const [user, ...rest] of usual) assert.equal(atLease(user, ...rest), 'None', user);
    const strange: typeof usual = [
      ['ada', ['ha-kubernetes:cluster-admins', 'system:authenticated']],
      ['ada', ['system:authenticated'], 'kube-node-lease', 'delete'],
      ['kubernetes-super-admin', ['system:masters', 'system:authenticated']],
      ['system:node:node01', ['system:nodes', 'system:authenticated']],
      ['system:serviceaccount:shop:operator', accounts('shop')],
      ['system:anonymous', ['system:unauthenticated']],
    ];
    for (const [user, ...rest] of strange) assert.equal(atLease(user, ...rest), 'Metadata', user);
  });

  test(`${version}: the kubelet states every limit that a benchmark asks for`, () => {
    const kubelet = parse(textOf(nodeFiles, '/var/lib/kubelet/config.yaml')) as Record<string, unknown>;
    assert.equal(kubelet['protectKernelDefaults'], true);
    assert.equal(kubelet['eventRecordQPS'], 50);
    assert.equal(kubelet['makeIPTablesUtilChains'], true);
    assert.ok(Number(kubelet['podPidsLimit']) > 0);
    assert.equal(kubelet['failSwapOn'], true);
    assert.ok(!('staticPodPath' in kubelet), 'a pod past the API and its rules');
    assert.ok((kubelet['tlsCipherSuites'] as string[]).every((suite) => suite.startsWith('TLS_ECDHE_')));
    const host = hostWith('node', version).find(({ component }) => component === 'host');
    assert.equal(host?.state.kernel.sysctls['vm.overcommit_memory'], '1');
  });
}

test('1.36: anonymous requests may ask for health and nothing else, which haproxy does', () => {
  const files = filesOf('control-plane', 'v1.36.4');
  const configuration = parse(textOf(files, '/etc/kubernetes/authentication.yaml')) as {
    anonymous: { enabled: boolean; conditions: { path: string }[] };
  };
  const paths = configuration.anonymous.conditions.map(({ path }) => path);
  assert.deepEqual(paths, ['/livez', '/readyz', '/healthz']);
  const unit = textOf(files, unitOf('kube-apiserver'));
  assert.match(unit, /--authentication-config=\/etc\/kubernetes\/authentication\.yaml/);
  assert.doesNotMatch(unit, /--anonymous-auth/);
  const [, probed = ''] =
    /httpchk GET (\S+)/.exec(textOf(filesOf('node', 'v1.36.4'), '/etc/kubernetes/api-proxy.cfg')) ?? [];
  assert.ok(paths.includes(probed), probed);
});

test('1.36: a namespace that says nothing refuses pods that could harm their host', () => {
  const files = filesOf('control-plane', 'v1.36.4');
  const unit = textOf(files, unitOf('kube-apiserver'));
  assert.match(unit, /--admission-control-config-file=\/etc\/kubernetes\/admission\.yaml/);
  assert.match(unit, /--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs /);
  const text = textOf(files, '/etc/kubernetes/admission.yaml');
  assert.match(text, /enforce: baseline/);
  assert.match(text, /namespaces:\n\s+- kube-system\n/);
});

test('1.20 is not given what it does not know', () => {
  const files = filesOf('control-plane', 'v1.20.2');
  assert.doesNotMatch(
    textOf(files, unitOf('kube-apiserver')),
    /authentication-config|admission-control-config-file|DenyServiceExternalIPs|shutdown-send-retry-after/,
  );
  assert.ok(!files.some(({ path }) => /(authentication|admission)\.yaml$/.test(path)));
});

interface Rule {
  readonly level: string;
  readonly verbs?: readonly string[];
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly resources?: readonly { group: string; resources?: readonly string[] }[];
}

/** Who asks, and where; somebody without groups unless said otherwise. */
interface Asking {
  readonly user: string;
  readonly groups: readonly string[];
  readonly namespace: string;
}

/** The level of the first rule that matches, which is how the API server decides (audit/policy/checker.go). */
function levelOf(
  rules: readonly Rule[],
  group: string,
  resource: string,
  verb: string,
  { user, groups, namespace }: Asking = { user: 'ada', groups: [], namespace: 'default' },
): string | undefined {
  return rules.find(
    (rule) =>
      rule.nonResourceURLs === undefined &&
      (rule.users?.includes(user) ?? true) &&
      (rule.userGroups?.some((wanted) => groups.includes(wanted)) ?? true) &&
      (rule.namespaces?.includes(namespace) ?? true) &&
      (rule.verbs?.includes(verb) ?? true) &&
      (rule.resources?.some((wanted) => wanted.group === group && (wanted.resources?.includes(resource) ?? true)) ??
        true),
  )?.level;
}

test("etcd's unit takes packets from etcd and control-plane hosts alone, unless the file says otherwise", () => {
  const linesOf = (changes: object): string[] => {
    const spec = specOf({ ...seedDocument(), ...changes });
    const host = spec.hosts.find(({ roles }) => roles.includes('etcd')) ?? assert.fail();
    const { files } = componentState('etcd', { spec, host, lock: lockFor(spec.kubernetes), facts: debianFacts });
    const content = files.find(({ path }) => path.endsWith('/etcd.service'))?.content;
    assert.ok(content?.kind === 'text');
    return content.text.split('\n').filter((line) => line.startsWith('IPAddress'));
  };
  assert.deepEqual(linesOf({}), [
    'IPAddressDeny=any',
    'IPAddressAllow=localhost 172.16.0.101 172.16.0.102 172.16.0.103',
  ]);
  assert.deepEqual(linesOf({ addressFilters: false }), []);
});
