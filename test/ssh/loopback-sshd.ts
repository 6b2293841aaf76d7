import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SshTarget } from '../../activities/ssh/target.js';
import { freePort } from '../support/loopback.js';

const SSHD = '/usr/sbin/sshd';

/** A real OpenSSH server on loopback, as the current user, with keys of its own in a temporary directory. */
export interface LoopbackSshd {
  readonly directory: string;
  readonly pid: number;
  readonly target: SshTarget;
  readonly stop: () => Promise<void>;
}

/** Starts one. `extra` are further lines of sshd_config. */
export async function startSshd(extra: readonly string[] = []): Promise<LoopbackSshd> {
  if (!existsSync(SSHD)) {
    throw new Error(`${SSHD} is missing; these tests need a real SSH server: apt-get install openssh-server`);
  }
  const directory = await mkdtemp(join(tmpdir(), 'ha-kubernetes-sshd-'));
  // sshd run by root insists on its privilege separation directory, which Debian makes at boot.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  makeKey(join(directory, 'host_ed25519'), 'ed25519');
  makeKey(join(directory, 'host_rsa'), 'rsa');
  makeKey(join(directory, 'identity'), 'ed25519');
  const port = await freePort();
  const publicKey = await readFile(join(directory, 'identity.pub'), 'utf8');
  await writeFile(join(directory, 'authorized_keys'), publicKey, { mode: 0o600 });
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${directory}/host_ed25519`,
    `HostKey ${directory}/host_rsa`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    `PidFile ${directory}/sshd.pid`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    ...extra,
  ];
  await writeFile(join(directory, 'sshd_config'), config.join('\n') + '\n');
  const server = spawn(SSHD, ['-D', '-e', '-f', join(directory, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  server.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await waitForPort(port, server, () => log);
  if (server.pid === undefined) throw new Error('sshd has no process id');
  return {
    directory,
    pid: server.pid,
    target: {
      name: 'node01',
      address: '127.0.0.1',
      port,
      user: userInfo().username,
      identityFile: join(directory, 'identity'),
      knownHostsFile: join(directory, 'known_hosts'),
      hostKeys: 'accept-new',
    },
    stop: async () => {
      if (server.exitCode === null) {
        server.kill('SIGTERM');
        await once(server, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function makeKey(file: string, type: 'ed25519' | 'rsa'): void {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file]);
}

async function waitForPort(port: number, server: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (server.exitCode !== null) throw new Error(`sshd did not start: ${log()}`);
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket
        .once('connect', () => {
          resolve(true);
        })
        .once('error', () => {
          resolve(false);
        });
    });
    socket.destroy();
    if (open) return;
    await sleep(50);
  }
  throw new Error(`sshd does not listen on port ${port} after 5 s: ${log()}`);
}

/** Waits until `condition` holds, at most `timeoutMs`. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not true within ${timeoutMs} ms: ${condition.toString()}`);
    await sleep(50);
  }
}
