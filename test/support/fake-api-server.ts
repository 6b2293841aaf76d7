import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import type { V1CertificateSigningRequest } from '@kubernetes/client-node';
import { KubernetesApi } from '../../activities/kubernetes/kubernetes-api.js';
import { listen } from './loopback.js';

interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string; creationTimestamp?: string };
  [field: string]: unknown;
}

/** A request as {@link FakeApiServer.create} takes it. */
export interface SentRequest {
  readonly name: string;
  /** PEM. */
  readonly request: string;
  readonly username: string;
  readonly signerName?: string;
  readonly usages?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly expirationSeconds?: number;
  /** Seconds since the first of 2026. */
  readonly at?: number;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

const plurals: Readonly<Record<string, { group: string; kind: string; namespaced: boolean }>> = {
  certificatesigningrequests: { group: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', namespaced: false },
  secrets: { group: 'v1', kind: 'Secret', namespaced: true },
  nodes: { group: 'v1', kind: 'Node', namespaced: false },
};

/**
 * As much of an API server as the gate talks to: objects with uid and resourceVersion, optimistic locking, tables,
 * server-side apply of Secrets. It listens on loopback, without TLS.
 */
export class FakeApiServer {
  readonly objects = new Map<string, StoredObject>();
  /** Every request that was made, e.g. `GET /api/v1/nodes/node01`. */
  readonly asked: string[] = [];
  /** Called before each write, to be faster than whoever writes. */
  beforeWrite: () => void = () => undefined;
  private version = 0;

  private constructor(readonly api: KubernetesApi) {}

  static async start(t: TestContext): Promise<FakeApiServer> {
    const server = createServer((request, response) => {
      void answer(fake, request).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
    const port = await listen(server);
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'fake', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'admin', user: {} }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'admin' } }],
      'current-context': 'fake',
    });
    const fake = new FakeApiServer(
      new KubernetesApi([{ name: 'master01', kubeconfig: () => Promise.resolve(kubeconfig) }]),
    );
    return fake;
  }

  /** Keeps a request as the API server does, which says itself who sent it. */
  create({
    name,
    request,
    username,
    signerName,
    usages,
    extra,
    expirationSeconds,
    at = 0,
    conditions,
  }: SentRequest): void {
    this.put('certificatesigningrequests', {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name, uid: randomUUID(), creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString() },
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: signerName ?? 'kubernetes.io/kube-apiserver-client-kubelet',
        username,
        usages: usages ?? ['digital signature', 'client auth'],
        ...(extra === undefined ? {} : { extra }),
        ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
      },
      status: conditions === undefined ? {} : { conditions },
    });
  }

  csr(name: string): V1CertificateSigningRequest | undefined {
    return this.objects.get(`certificatesigningrequests/${name}`) as V1CertificateSigningRequest | undefined;
  }

  /** `approved`, `denied` or `undecided`, and why. */
  decisionOn(name: string): string {
    const [condition] = this.csr(name)?.status?.conditions ?? [];
    return condition === undefined ? 'undecided' : `${condition.type}: ${condition.message ?? ''}`;
  }

  put(plural: string, object: StoredObject): StoredObject {
    const stored: StoredObject = {
      ...object,
      metadata: { uid: randomUUID(), ...object.metadata, resourceVersion: String((this.version += 1)) },
    };
    this.objects.set(keyOf(plural, object.metadata.namespace, object.metadata.name), stored);
    return stored;
  }
}

function keyOf(plural: string, namespace: string | undefined, name: string): string {
  return [plural, ...(namespace === undefined ? [] : [namespace]), name].join('/');
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(server: FakeApiServer, request: IncomingMessage): Promise<Answer> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://fake');
  server.asked.push(`${request.method ?? ''} ${pathname}`);
  const path = /^\/(?:api|apis)\/(v1|[^/]+\/v1)(?:\/(.*))?$/.exec(pathname);
  const [, group = '', rest = ''] = path ?? [];
  if (rest === '') {
    const resources = Object.entries(plurals)
      .filter(([, known]) => known.group === group)
      .map(([name, { kind, namespaced }]) => ({ name, kind, namespaced }));
    return { status: 200, body: { kind: 'APIResourceList', groupVersion: group, resources } };
  }
  const [, namespace, plural = '', name, subresource] =
    /^(?:namespaces\/([^/]+)\/)?([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/.exec(rest) ?? [];
  if (name === undefined) return list(server, plural, request, searchParams);
  const key = keyOf(plural, namespace, name);
  const found = server.objects.get(key);
  if (request.method === 'PATCH') {
    const sent = JSON.parse(await textOf(request)) as StoredObject & { stringData?: Record<string, string> };
    const { stringData = {}, ...object } = sent;
    const data = Object.entries(stringData).map(([field, text]) => [field, Buffer.from(text).toString('base64')]);
    const before = found?.['data'] ?? {};
    return { status: 200, body: server.put(plural, { ...object, data: { ...before, ...Object.fromEntries(data) } }) };
  }
  if (found === undefined) return failure(404, `${plural} "${name}" not found`);
  if (request.method === 'DELETE') {
    server.objects.delete(key);
    return { status: 200, body: { kind: 'Status', status: 'Success' } };
  }
  if (request.method === 'PUT') {
    const sent = JSON.parse(await textOf(request)) as StoredObject;
    server.beforeWrite();
    const now = server.objects.get(key);
    const { uid, resourceVersion } = sent.metadata;
    if (now?.metadata.uid !== uid || now?.metadata.resourceVersion !== resourceVersion) {
      return failure(409, `Operation cannot be fulfilled on ${plural} "${name}": the object has been modified`);
    }
    if (subresource !== 'approval' || now === undefined) return failure(405, 'not supported');
    return { status: 200, body: server.put(plural, { ...now, status: sent['status'] }) };
  }
  return { status: 200, body: found };
}

function list(server: FakeApiServer, plural: string, request: IncomingMessage, query: URLSearchParams): Answer {
  const signer = query.get('fieldSelector')?.replace('spec.signerName=', '');
  const limit = Number(query.get('limit') ?? 500);
  const from = Number(query.get('continue') ?? 0);
  const all = [...server.objects]
    .filter(([key]) => key.startsWith(`${plural}/`))
    .map(([, object]) => object as unknown as V1CertificateSigningRequest)
    .filter(({ spec }) => signer === undefined || spec.signerName === signer);
  if (!(request.headers.accept ?? '').includes('as=Table')) return failure(406, 'the gate lists tables alone');
  return {
    status: 200,
    body: {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: from + limit < all.length ? { continue: String(from + limit) } : {},
      columnDefinitions: ['Name', 'Age', 'SignerName', 'Requestor', 'RequestedDuration', 'Condition'].map((name) => ({
        name,
      })),
      rows: all.slice(from, from + limit).map(({ metadata, spec, status }) => ({
        cells: [
          metadata?.name,
          '5s',
          spec.signerName,
          spec.username,
          '<none>',
          (status?.conditions ?? []).map(({ type }) => type).join(',') || 'Pending',
        ],
      })),
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function failure(code: number, message: string): Answer {
  return { status: code, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message } };
}
