import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  CustomObjectsApi,
  KubeConfig,
  Observable,
  PatchStrategy,
  type KubernetesObject,
  type RequestContext,
} from '@kubernetes/client-node';
import { FIELD_MANAGER, type Manifest } from '../../cluster/addons/manifest.js';
import { SharedWork } from '../shared-work.js';
import { isNotFound, KubernetesError, statusOf, toKubernetesError } from './kubernetes-error.js';
import { objects } from './objects.js';

/** A living API server answers in milliseconds; a host without power never does. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Rows of a table that are asked for at once, and of a whole table. */
const TABLE_PAGE = 500;
const TABLE_ROWS = 20_000;

/** Asks for the cells of a table, without its objects (kubernetes.io, "Receiving resources as Tables"). */
const asTable = {
  pre: (request: RequestContext): Observable<RequestContext> => {
    request.setHeaderParam('Accept', 'application/json;as=Table;v=v1;g=meta.k8s.io');
    request.setQueryParam('includeObject', 'None');
    return new Observable(Promise.resolve(request));
  },
  post: <T>(response: T): Observable<T> => new Observable(Promise.resolve(response)),
};

/** What the API server answers then, meta.k8s.io/v1. */
interface Table {
  readonly metadata?: { readonly continue?: string };
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows?: readonly { readonly cells: readonly unknown[] }[];
}

/** An API server to talk to, and how to log in there. */
export interface ApiServer {
  readonly name: string;
  readonly kubeconfig: () => Promise<string>;
}

/**
 * The Kubernetes API over all its servers: a request goes to the server that last answered, and to the next when that
 * one does not answer at all. All servers are equal.
 */
export class KubernetesApi {
  private configs = new Map<string, KubeConfig>();
  /** On their way. */
  private readonly tables = new SharedWork<readonly Partial<Record<string, string>>[]>();

  constructor(private servers: readonly ApiServer[]) {}

  /** Does something against one server; `what` names it in errors. */
  async request<T>(
    what: string,
    send: (config: KubeConfig, server: ApiServer) => Promise<T>,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<T> {
    let last: unknown;
    for (const server of this.servers) {
      try {
        const answer = await withDeadline(send(await this.configOf(server), server), timeoutMs, server.name);
        this.prefer(server);
        return answer;
      } catch (error) {
        last = error;
        if (statusOf(error) !== undefined) break;
      }
    }
    throw toKubernetesError(what, last);
  }

  /** The same API through one server only, to know about that one. */
  only(name: string): KubernetesApi {
    return new KubernetesApi(this.servers.filter((server) => server.name === name));
  }

  /** Without the servers of one host, which is about to go away. */
  without(name: string): KubernetesApi {
    return new KubernetesApi(this.servers.filter((server) => server.name !== name));
  }

  /**
   * Server-side apply as the deployer's field manager. It is asked for without effect first, and left at that when the
   * object would stay as it is: an apply that changes nothing would still touch the record of who owns which field.
   *
   * @returns whether the object was changed.
   */
  async apply(manifest: Manifest): Promise<boolean> {
    const before = await this.read(manifest);
    if (before !== undefined && isDeepStrictEqual(essence(before), essence(await this.patch(manifest, 'All'))))
      return false;
    await this.patch(manifest, undefined);
    return true;
  }

  private async patch(manifest: Manifest, dryRun: 'All' | undefined): Promise<KubernetesObject> {
    return this.request(`apply ${describe(manifest)}`, (config) =>
      objects(config).patch(
        manifest as KubernetesObject,
        undefined,
        dryRun,
        FIELD_MANAGER,
        true,
        PatchStrategy.ServerSideApply,
      ),
    );
  }

  /** Writes an object as it was read. One that somebody else has changed or removed since needs that no more. */
  async rewrite(object: KubernetesObject): Promise<void> {
    await this.request(
      `write ${object.kind ?? ''} ${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`,
      async (config) => {
        try {
          await objects(config).replace(object);
        } catch (error) {
          if (!isNotFound(error) && statusOf(error) !== 409) throw error;
        }
      },
    );
  }

  /** The object as it is, or undefined if there is none. */
  async read<T extends KubernetesObject>(
    object: Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'>,
  ): Promise<T | undefined> {
    return this.request(`read ${describe(object)}`, async (config) => {
      try {
        return await objects(config).read<T>(object as KubernetesObject as T & { metadata: { name: string } });
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  /** All objects of a kind, in one namespace or in all, with a label or without. */
  async list<T extends KubernetesObject>(
    apiVersion: string,
    kind: string,
    { namespace, label }: { readonly namespace?: string; readonly label?: string } = {},
  ): Promise<T[]> {
    const unsaid = undefined;
    const list = await this.request(`list ${kind}`, (config) =>
      objects(config).list(apiVersion, kind, namespace, ...([unsaid, unsaid, unsaid, unsaid] as const), label),
    );
    // The items of a list do not say what they are.
    return list.items.map((item) => ({ ...item, apiVersion, kind })) as T[];
  }

  /**
   * What the API server says of each object of a kind, as `kubectl get` shows it: texts by the name of their column.
   * However large whoever made an object has made it, a row is small; however many ask at once, the server is asked once.
   *
   * @throws KubernetesError when there are more than {@link TABLE_ROWS}
   */
  table(
    group: string,
    version: string,
    plural: string,
    { fieldSelector }: { readonly fieldSelector: string },
  ): Promise<readonly Partial<Record<string, string>>[]> {
    const key = [group, version, plural, fieldSelector].join(' ');
    return this.tables.join(key, undefined, () => this.readTable(group, version, plural, fieldSelector));
  }

  private async readTable(
    group: string,
    version: string,
    plural: string,
    fieldSelector: string,
  ): Promise<Partial<Record<string, string>>[]> {
    const rows: Partial<Record<string, string>>[] = [];
    let from: string | undefined;
    do {
      const table = (await this.request(`list ${plural}`, (config) =>
        config.makeApiClient(CustomObjectsApi).listClusterCustomObject(
          {
            group,
            version,
            plural,
            fieldSelector,
            limit: TABLE_PAGE,
            ...(from === undefined ? {} : { _continue: from }),
          },
          { middleware: [asTable], middlewareMergeStrategy: 'append' },
        ),
      )) as Table;
      for (const { cells } of table.rows ?? []) {
        rows.push(Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, String(cells[index])])));
      }
      from = table.metadata?.continue;
      if (rows.length > TABLE_ROWS) {
        throw new KubernetesError(`${plural}: there are more than ${TABLE_ROWS}; delete those that nobody needs`, true);
      }
    } while (from !== undefined && from !== '');
    return rows;
  }

  /** Deletes an object and what it owns; one that is gone already is fine. */
  async remove(object: Pick<Manifest, 'apiVersion' | 'kind' | 'metadata'>): Promise<void> {
    await this.request(`delete ${describe(object)}`, async (config) => {
      try {
        await objects(config).delete(object, undefined, undefined, undefined, undefined, 'Background');
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    });
  }

  private async configOf(server: ApiServer): Promise<KubeConfig> {
    const known = this.configs.get(server.name);
    if (known !== undefined) return known;
    const config = new KubeConfig();
    config.loadFromString(await server.kubeconfig());
    this.configs.set(server.name, config);
    return config;
  }

  private prefer(server: ApiServer): void {
    this.servers = [server, ...this.servers.filter((other) => other !== server)];
  }
}

/** What an apply can change: not the status, nor what the API server keeps about writes. */
function essence({ metadata, ...object }: KubernetesObject & { status?: unknown }): unknown {
  const { status: _status, ...rest } = object;
  const { managedFields: _fields, resourceVersion: _version, generation: _generation, ...lasting } = metadata ?? {};
  return { ...rest, metadata: lasting };
}

function describe({ kind, metadata }: Pick<Manifest, 'kind' | 'metadata'>): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}

async function withDeadline<T>(answer: Promise<T>, timeoutMs: number, server: string): Promise<T> {
  const timer = new AbortController();
  const deadline = delay(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`the API server on ${server} did not answer within ${timeoutMs / 1000} s`);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    timer.abort();
    deadline.catch(() => undefined);
  }
}
