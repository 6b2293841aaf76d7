import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { before, test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(`${root}docker-compose.yml`, 'utf8');

const service = z.strictObject({
  image: z.string(),
  build: z.string().optional(),
  restart: z.string().regex(/^(unless-stopped|on-failure:\d+)$/),
  depends_on: z
    .record(z.string(), z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }))
    .default({}),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
  configs: z.array(z.strictObject({ source: z.string(), target: z.string().startsWith('/') })).default([]),
  ports: z.array(z.string()).default([]),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()).min(2),
      interval: z.string(),
      timeout: z.string(),
      start_period: z.string(),
      retries: z.int(),
    })
    .optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  logging: z.strictObject({ driver: z.string(), options: z.record(z.string(), z.string()) }),
});

const compose = z.strictObject({
  name: z.literal('ha-kubernetes'),
  'x-logs': z.unknown(),
  services: z.record(z.string(), service),
  configs: z.record(z.string(), z.strictObject({ content: z.string() })),
  secrets: z.record(z.string(), z.strictObject({ file: z.string().startsWith('./secrets/') })),
  volumes: z.record(z.string(), z.strictObject({})),
});

let file: z.infer<typeof compose>;

before(() => {
  file = compose.parse(parse(text));
});

test('every image is pinned to a full version', () => {
  for (const { image } of Object.values(file.services)) assert.match(image, /:\d+\.\d+(\.\d+)?(-[a-z]+)?$/, image);
  const bases = [...readFileSync(`${root}Dockerfile`, 'utf8').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  assert.ok(bases.length > 0);
  for (const base of bases) assert.match(base ?? '', /^node:20\.\d+\.\d+-bookworm-slim$/);
});

test('whatever a service depends on exists, and can reach the state that is waited for', () => {
  for (const [name, { depends_on: needs }] of Object.entries(file.services)) {
    for (const [needed, { condition }] of Object.entries(needs)) {
      const target = file.services[needed];
      assert.ok(target, `${name} depends on ${needed}, which does not exist`);
      if (condition === 'service_healthy') assert.ok(target.healthcheck, `${needed} has no healthcheck`);
      else assert.match(target.restart, /^on-failure/, `${needed} would start again after it has completed`);
    }
  }
});

test('every secret, configuration and named volume that a service uses exists, and every one is used', () => {
  const uses = Object.values(file.services);
  const names = (entries: string[]): string[] => [...new Set(entries)].sort();
  assert.deepEqual(names(uses.flatMap(({ secrets }) => secrets)), Object.keys(file.secrets).sort());
  assert.deepEqual(
    names(uses.flatMap(({ configs }) => configs.map(({ source }) => source))),
    Object.keys(file.configs).sort(),
  );
  const volumes = uses.flatMap(({ volumes: mounts }) => mounts.map((mount) => mount.split(':')[0] ?? ''));
  assert.deepEqual(names(volumes.filter((volume) => !volume.startsWith('.'))), Object.keys(file.volumes).sort());
});

test('ports are open on loopback only', () => {
  const ports = Object.values(file.services).flatMap((one) => one.ports);
  assert.deepEqual(ports, ['127.0.0.1:7233:7233', '127.0.0.1:8233:8080']);
});

test('no password is written in the file', () => {
  for (const [name, { environment }] of Object.entries(file.services)) {
    for (const [variable, value] of Object.entries(environment)) {
      if (/PASSWORD|PWD|SECRET|TOKEN/.test(variable))
        assert.match(value, /^\$\{[A-Z_]+:\?[^}]+\}$/, `${name} ${variable}`);
    }
  }
  assert.match(readFileSync(`${root}.gitignore`, 'utf8'), /^\.env$/m);
  assert.match(readFileSync(`${root}.gitignore`, 'utf8'), /^secrets\/$/m);
  assert.match(readFileSync(`${root}.dockerignore`, 'utf8'), /^\.env$[^]*^secrets$/m);
});

test('the worker gets what its code reads, waits for the namespace, and cannot write its key or its cluster files', () => {
  const { worker, temporal } = file.services;
  assert.ok(worker && temporal);
  assert.deepEqual(Object.keys(worker.depends_on), ['temporal-namespace']);
  assert.equal(worker.environment['TEMPORAL_ADDRESS'], 'temporal:7233');
  const home = worker.environment['HA_KUBERNETES_HOME'] ?? '';
  assert.ok(worker.volumes.includes(`state:${home}`));
  assert.ok(worker.volumes.includes('./clusters:/clusters:ro'));
  assert.match(readFileSync(`${root}Dockerfile`, 'utf8'), new RegExp(`install -d -m 0700 -o node -g node ${home}`));
  // The names that the code reads; TEMPORAL_* are Temporal's own (envconfig).
  const code = ['activities/state-store/file-state-store.ts', 'client/temporal.ts']
    .map((path) => readFileSync(`${root}${path}`, 'utf8'))
    .join('');
  for (const variable of Object.keys(worker.environment).filter((name) => name.startsWith('HA_KUBERNETES_'))) {
    assert.ok(code.includes(`process.env['${variable}']`) || code.includes(`environment['${variable}']`), variable);
  }
  assert.deepEqual(
    [worker.read_only, worker.tmpfs, worker.cap_drop, worker.security_opt],
    [true, ['/tmp'], ['ALL'], ['no-new-privileges:true']],
  );
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
  assert.equal(worker.image, `ha-kubernetes:${version}`);
});

test('a worker that is told to stop has longer than its own grace period', () => {
  const grace = /shutdownForceTime: '(\d+) seconds'/.exec(readFileSync(`${root}worker.ts`, 'utf8'))?.[1];
  assert.ok(Number(/^(\d+)s$/.exec(file.services['worker']?.stop_grace_period ?? '')?.[1]) > Number(grace));
});

test('docker compose accepts the file, where it is installed', (t) => {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
  } catch {
    t.diagnostic('docker compose is not installed here; the tests above read the file themselves');
    return;
  }
  execFileSync('docker', ['compose', '--file', `${root}docker-compose.yml`, 'config', '--quiet'], {
    env: { ...process.env, TEMPORAL_DB_PASSWORD: 'for-this-test-only' },
  });
});
