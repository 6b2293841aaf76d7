import type { KeyObject } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { execa } from 'execa';
import type { RemoteHost } from '../../activities/ssh/connection-pool.js';
import type { KeyPair } from './certificate-request.js';
import { temporaryDirectory } from './temporary-directory.js';

/**
 * The files of a kubelet, below a directory of this machine, and the commands that activities run on its host: by a real
 * shell and a real openssl, with a `systemctl` that only writes down how it was called.
 */
export class KubeletHost {
  /** What left the host: the output of every command. */
  output = '';

  private constructor(private readonly root: string) {}

  /** @param answer - what `systemctl` does beside */
  static async create(t: TestContext, answer = ''): Promise<KubeletHost> {
    const host = new KubeletHost(await temporaryDirectory(t));
    await mkdir(join(host.root, 'var/lib/kubelet/pki'), { recursive: true });
    await mkdir(join(host.root, 'etc/kubernetes'), { recursive: true });
    await mkdir(join(host.root, 'bin'));
    const systemctl = join(host.root, 'bin/systemctl');
    await writeFile(systemctl, `#!/bin/sh\necho "$*" >>${host.root}/systemctl.log\n${answer}\n`);
    await chmod(systemctl, 0o755);
    return host;
  }

  /** The kubelet makes the key with which it will ask. */
  async waitsWith({ privateKey }: KeyPair): Promise<void> {
    await this.write('var/lib/kubelet/pki/kubelet-client.key.tmp', pemOf(privateKey));
  }

  /** The kubelet has fetched a certificate. */
  async has(purpose: 'client' | 'server', certificate: string, { privateKey }: KeyPair): Promise<void> {
    await this.write(`var/lib/kubelet/pki/kubelet-${purpose}-current.pem`, certificate + pemOf(privateKey));
    await this.write('etc/kubernetes/kubelet.conf', 'apiVersion: v1\n');
    await rm(join(this.root, 'var/lib/kubelet/pki/kubelet-client.key.tmp'), { force: true });
  }

  async write(path: string, text: string): Promise<void> {
    await writeFile(join(this.root, path), text);
  }

  async systemctlCalls(): Promise<string> {
    return readFile(join(this.root, 'systemctl.log'), 'utf8').catch(() => '');
  }

  remote(name: string): RemoteHost {
    const here = (text: string): string =>
      text.replaceAll(/\/(var\/lib\/kubelet|etc\/kubernetes)/g, (path) => this.root + path);
    return {
      name,
      run: async ({ command, stdin = '' }) => {
        const { stdout, stderr } = await execa('sh', ['-c', here(command)], {
          input: here(typeof stdin === 'string' ? stdin : ''),
          env: { PATH: `${this.root}/bin:${process.env['PATH'] ?? ''}` },
        });
        this.output += stdout + stderr;
        return { stdout: `${stdout}\n`, stderr, truncated: false, durationMs: 0 };
      },
    };
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs8', format: 'pem' }) as string;
}
