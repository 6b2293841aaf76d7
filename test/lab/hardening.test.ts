import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { HostAudit } from '../../cluster/benchmark.js';
import { newestVersion } from '../../lab/mirror/plans/index.js';
import { openssl } from '../support/openssl.js';
import { LabRun, type Outcome, succeeded } from './harness.js';

/** What a hardened cluster refuses and hides, on real hosts. The tests build on each other. */

const hosts = ['master01', 'master02', 'master03', 'node01', 'node02'];
const etcdctl =
  'ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/healthcheck-client.crt --key=/etc/etcd/pki/healthcheck-client.key';
let run: LabRun;
let file: string;

before(async () => {
  run = await LabRun.start();
  file = await run.clusterFile(newestVersion, '--approvals', 'inventory', '--without', 'node03');
});

after(async () => {
  await run.close();
});

test(
  'a deployment passes the benchmark on every host, and each check that is left to judge has a reason',
  { timeout: 500_000 },
  async (t) => {
    // What somebody on the node could copy while it joins.
    const stolen = run.onHost(
      'node01',
      'timeout 400 sh -c "until cp /etc/kubernetes/bootstrap-kubelet.conf /root/stolen.conf 2>/dev/null; do sleep 0.2; done"',
    );
    succeeded(await deploy());
    await stolen;
    const audits = (await report()).audits;
    assert.deepEqual(
      audits.map(({ host }) => host),
      hosts,
    );
    for (const { host, benchmark, passed, failed, warned } of audits) {
      t.diagnostic(`${host}: ${benchmark}, ${passed} passed, ${failed.length} failed, ${warned.length} to judge`);
      assert.deepEqual(failed, [], host);
      assert.ok(passed >= (host.startsWith('master') ? 60 : 20), `${host}: ${passed} passed`);
      assert.deepEqual(
        warned.filter(({ reason }) => reason === undefined),
        [],
        host,
      );
    }
  },
);

test(
  'a planted file mode and a planted flag fail in the report, and the next deployment mends both',
  { timeout: 400_000 },
  async () => {
    await run.onHost('master02', 'chmod 0644 /etc/kubernetes/scheduler.conf');
    const unit = '/etc/systemd/system/kube-scheduler.service';
    await run.onHost(
      'master03',
      `sed -i s/--profiling=false/--profiling=true/ ${unit} && systemctl daemon-reload && systemctl restart kube-scheduler`,
    );
    const audited = await run.startWorkflow('audit', '-f', file);
    assert.equal(audited.exitCode, 1, audited.stdout);
    assert.match(audited.stderr, /2 check\(s\) of the benchmark failed/);
    assert.match(audited.stdout, /master02: cis-1\.12: .*1 failed.*\n {2}FAIL 1\.1\.15 /);
    assert.match(audited.stdout, /master03: cis-1\.12: .*1 failed.*\n {2}FAIL 1\.4\.1 /);
    succeeded(await deploy());
    assert.deepEqual(
      (await report()).audits.flatMap(({ failed }) => failed),
      [],
    );
  },
);

test('nothing of the audit stays on a host', async () => {
  for (const host of hosts)
    assert.equal(await run.onHost(host, 'ls -d /var/lib/ha-kubernetes-audit 2>/dev/null; true'), '', host);
});

test('a privileged pod is refused, and one that harms nobody is not', async () => {
  const apply = (name: string, context: string): string =>
    `printf '%s' '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"${name}","namespace":"default"},"spec":{"containers":[{"name":"a","image":"example.org/none","securityContext":${context}}]}}' | kubectl create --dry-run=server -f - 2>&1; true`;
  assert.match(
    await run.asOperator('master01', apply('bad', '{"privileged":true}')),
    /violates PodSecurity "baseline:latest": privileged/,
  );
  assert.match(await run.asOperator('master01', apply('good', '{}')), /pod\/good created/);
});

test('whoever says nothing of himself may ask for health and nothing else', async () => {
  const ask = (path: string): Promise<string> =>
    run.onHost(
      'master01',
      `curl -s -o /dev/null -w '%{http_code}' --cacert /etc/kubernetes/pki/ca.crt https://127.0.0.1:6443${path}`,
    );
  for (const path of ['/livez', '/readyz', '/healthz']) assert.equal(await ask(path), '200', path);
  for (const path of ['/version', '/api', '/apis', '/openapi/v2']) assert.equal(await ask(path), '401', path);
  // Every path that the API server has, in one go; it does not list those of objects.
  const { paths } = JSON.parse(await run.asOperator('master01', 'kubectl get --raw /')) as { paths: string[] };
  assert.ok(paths.length > 30, `${paths.length} paths`);
  const asked = [...paths, '/', '/api/v1/secrets', '/api/v1/namespaces/kube-system/pods', '/livez/ping', '/metrics'];
  const answers = await run.onHost(
    'master01',
    `for path in ${asked.join(' ')}; do echo "$path $(curl -s -o /dev/null -w '%{http_code}' --cacert /etc/kubernetes/pki/ca.crt "https://127.0.0.1:6443$path")"; done`,
  );
  const open = answers
    .trim()
    .split('\n')
    .filter((line) => !line.endsWith(' 401'));
  assert.deepEqual([...new Set(open)].sort(), ['/healthz 200', '/livez 200', '/readyz 200']);
});

test('from the account of one program the keys of the others cannot be read', async () => {
  const read = (user: string, unit: string, key: string): Promise<string> =>
    run.onHost(
      'master01',
      `pid=$(systemctl show -p MainPID --value ${unit}); runuser -u ${user} -- head -c 10 "/proc/$pid/root/run/credentials/${unit}.service/${key}" 2>&1; true`,
    );
  for (const [unit, key] of [
    ['kube-controller-manager', 'ca.key'],
    ['kube-apiserver', 'sa.key'],
  ] as const) {
    assert.match(await read('root', unit, key), /^-----BEGIN/);
    assert.match(await read('kube-scheduler', unit, key), /Permission denied/);
  }
});

test("a client's certificate of etcd's authority is no peer's", async () => {
  // Not by HTTP/2: a member speaks it to its peers as gRPC alone.
  const ask = (port: number, name: string): Promise<string> =>
    run.onHost(
      'master01',
      `curl --http1.1 -s -o /dev/null -w '%{http_code}' --cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/${name}.crt --key /etc/etcd/pki/${name}.key https://172.16.0.101:${port}/version; true`,
    );
  assert.equal(await ask(2379, 'healthcheck-client'), '200');
  assert.equal(await ask(2380, 'peer'), '200');
  assert.equal(await ask(2380, 'healthcheck-client'), '000');
});

test('a request for another signer stays unsigned when it is approved, and the audit log has the whole decision', async () => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/dev/null'];
  const request = await openssl('req', '-new', ...key, '-subj', '/O=people/CN=mallory');
  const object = JSON.stringify({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'mallory' },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    },
  });
  const status = await run.asOperator(
    'master01',
    `printf '%s' '${object}' | kubectl create -f - && kubectl certificate approve mallory && sleep 10 && kubectl get csr mallory -o 'jsonpath={.status}' && kubectl delete csr mallory`,
  );
  assert.match(status, /"type":"Approved"/);
  assert.doesNotMatch(status, /"certificate":/);
  const log = await run.onHost('master01', `grep '"name":"mallory"' /var/log/kubernetes/audit.log`);
  const decision = log.split('\n').find((line) => line.includes('"subresource":"approval"')) ?? '';
  assert.match(decision, /"level":"RequestResponse"/);
  assert.match(decision, /"requestObject":.*"type":"Approved"/);
});

test('a Secret that is read straight from etcd is not readable', async () => {
  await run.asOperator('master01', `kubectl create secret generic probe --from-literal=word=readable-word`);
  assert.match(
    await run.asOperator('master01', `kubectl get secret probe -o 'jsonpath={.data.word}' | base64 -d`),
    /^readable-word$/,
  );
  const raw = await run.onHost(
    'master02',
    `${etcdctl} get /registry/secrets/default/probe --print-value-only | tr -cd '[:print:]'`,
  );
  assert.match(raw, /^k8s:enc:secretbox:v1:key1:/);
  assert.doesNotMatch(raw, /readable-word/);
});

test('a bootstrap token that was stolen during the join can do nothing after it', async () => {
  const token = (await run.onHost('node01', "sed -n 's/^ *token: //p' /root/stolen.conf")).trim();
  assert.match(token, /^"?[a-z0-9]{6}\.[a-z0-9]{16}"?$/);
  const ask = (path: string): Promise<string> =>
    run.onHost(
      'master02',
      `curl -s -o /dev/null -w '%{http_code}' --cacert /etc/kubernetes/pki/ca.crt -H 'Authorization: Bearer ${token.replaceAll('"', '')}' https://172.16.0.101:6443${path}`,
    );
  for (const path of ['/version', '/api/v1/nodes', '/apis/certificates.k8s.io/v1/certificatesigningrequests']) {
    assert.equal(await ask(path), '401', path);
  }
});

test('the audit log has what was done to the Secret, and no body', async () => {
  const log = await run.onHost('master01', `cat /var/log/kubernetes/audit.log | grep '"name":"probe"'`);
  assert.match(log, /"verb":"create"/);
  assert.doesNotMatch(log, /requestObject|responseObject|readable-word/);
});

test(
  'a rotation whose worker is killed goes on, and leaves one new key and every Secret readable',
  { timeout: 400_000 },
  async (t) => {
    const began = Date.now();
    const promoted = run.untilWorkerSays(({ step, state }) => step === 'promoted:master02' && state === 'running');
    const rotation = run.startWorkflow('rotate-encryption-key', '-f', file);
    await promoted;
    await run.killWorker();
    await run.startWorker();
    succeeded(await rotation);
    t.diagnostic(`the rotation took ${((Date.now() - began) / 1000).toFixed(0)} s, with a worker killed in it`);
    const prefixes = await run.onHost(
      'master01',
      `${etcdctl} get /registry/secrets/ --prefix --print-value-only | grep -aoE '^k8s:enc:[a-z]+:v1:[a-z0-9]+:' | sort -u`,
    );
    assert.equal(prefixes.trim(), 'k8s:enc:secretbox:v1:key2:');
    for (const master of hosts.slice(0, 3)) {
      assert.match(
        await run.asOperator(master, `kubectl get secret probe -o 'jsonpath={.data.word}' | base64 -d`),
        /^readable-word$/,
      );
      assert.equal((await run.onHost(master, "sed -n 's/.*name: //p' /etc/kubernetes/encryption.yaml")).trim(), 'key2');
    }
    const plan = await run.startWorkflow('plan', '-f', file, '--json');
    assert.ok(
      (JSON.parse(plan.stdout) as { changes: unknown[] }[]).every(({ changes }) => changes.length === 0),
      plan.stdout,
    );
  },
);

test('no encryption key is in the log', async () => {
  const directory = join(run.home, 'clusters', 'lab', 'encryption', 'key-ring');
  const rings = await Promise.all(
    [1, 2, 3, 4].map((generation) => readFile(join(directory, `${generation}.json`), 'utf8')),
  );
  const secrets = rings.flatMap((ring) => (JSON.parse(ring) as { secret: string }[]).map(({ secret }) => secret));
  const log = await run.readLog();
  assert.equal(new Set(secrets).size, 2);
  for (const secret of secrets) assert.ok(!log.includes(secret));
});

function deploy(): Promise<Outcome> {
  return run.startWorkflow('deploy-ha', '-f', file, '--json', join(run.directory, 'deploy.json'));
}

async function report(): Promise<{ readonly audits: HostAudit[] }> {
  return JSON.parse(await readFile(join(run.directory, 'deploy.json'), 'utf8')) as { audits: HostAudit[] };
}
