import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../errors.js';
import { switchNamespace } from '../netns.js';
import { subnet } from '../network.js';
import { eventually } from '../progress.js';
import { blobFile, type Descriptor, type Manifest, MANIFEST } from './image-step.js';

const PORT = 5000;

/** Seconds that the registry may take to start, or to end. */
const PATIENCE = 20;

/** A registry on the lab's switch, which hosts of the lab reach and nobody else. */
export class Registry {
  readonly url = `http://${subnet.gateway}:${PORT}`;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /**
   * @param program the `registry` of github.com/distribution/distribution
   * @param directory where it keeps images; an empty one
   */
  static async start(program: string, directory: string): Promise<Registry> {
    const configuration = join(directory, 'registry.json');
    const log = join(directory, 'registry.log');
    await writeFile(
      configuration,
      // The file is YAML, of which JSON is a part (https://distribution.github.io/distribution/about/configuration/).
      JSON.stringify({
        version: '0.1',
        log: { level: 'warn', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: join(directory, 'registry') } },
        http: { addr: `${subnet.gateway}:${PORT}` },
      }),
    );
    const output = await open(log, 'w');
    // It ends with this program, however that ends.
    const command = ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', switchNamespace, program, 'serve', configuration];
    const registry = new Registry(
      spawn('setpriv', command, {
        env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
        stdio: ['ignore', output.fd, output.fd],
      }),
    );
    await output.close();
    const deadline = Date.now() + PATIENCE * 1000;
    while (!(await registry.#answers())) {
      if (Date.now() > deadline || registry.#ended()) {
        await registry.stop();
        throw new LabError(`the registry did not start on ${registry.url}: ${await readFile(log, 'utf8')}`);
      }
      await sleep(100);
    }
    return registry;
  }

  /** Puts an image into the registry. */
  async push(directory: string, repository: string, tag: string): Promise<void> {
    const text = await readFile(join(directory, MANIFEST), 'utf8');
    const manifest = JSON.parse(text) as Manifest;
    for (const blob of [manifest.config, ...manifest.layers]) await this.#pushBlob(directory, repository, blob);
    await this.#ask('PUT', `${this.url}/v2/${repository}/manifests/${tag}`, text, manifest.mediaType);
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    await eventually(() => Promise.resolve(this.#ended()), PATIENCE);
    this.#process.kill('SIGKILL');
  }

  #ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async #pushBlob(directory: string, repository: string, { digest }: Descriptor): Promise<void> {
    const bytes = await readFile(join(directory, blobFile(digest)));
    const start = await this.#ask('POST', `${this.url}/v2/${repository}/blobs/uploads/`);
    const upload = new URL(start.headers.get('location') ?? '', this.url);
    upload.searchParams.set('digest', digest);
    await this.#ask('PUT', upload, bytes, 'application/octet-stream');
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.url}/v2/`, { signal: AbortSignal.timeout(1000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async #ask(method: string, url: string | URL, body?: string | Buffer, type?: string): Promise<Response> {
    const response = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
      signal: AbortSignal.timeout(120_000),
    });
    const said = await response.text();
    if (!response.ok)
      throw new LabError(`the registry answers ${response.status} to ${method} ${String(url)}: ${said}`);
    return response;
  }
}

/** A reference such as `registry.k8s.io/e2e-test-images/agnhost:2.66.1` in its parts. */
export interface Reference {
  /** `registry.k8s.io` */
  readonly registry: string;
  /** `e2e-test-images/agnhost` */
  readonly path: string;
  /** `2.66.1` */
  readonly tag: string;
}

/** @throws RangeError if it is none */
export function parseReference(text: string): Reference {
  const [, registry, path, tag] = /^([^/]+)\/(.+):([^:/]+)$/.exec(text) ?? [];
  if (registry === undefined || path === undefined || tag === undefined) {
    throw new RangeError(`"${text}" is no reference of an image with registry and tag`);
  }
  return { registry, path, tag };
}
