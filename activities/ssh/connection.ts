import { readFile } from 'node:fs/promises';
import { Client, type CipherAlgorithm, type ServerHostKeyAlgorithm } from 'ssh2';
import { RemoteError } from './errors.js';
import {
  fingerprint,
  hostKeyAlgorithms,
  hostKeyFromBlob,
  judgeHostKey,
  knownHostsName,
  knownKeysOf,
  readKnownHosts,
  rememberHostKey,
  type HostKey,
  type KnownHostKey,
} from './known-hosts.js';
import type { SshTarget } from './target.js';

/** A host key that was recorded because its host was seen for the first time. */
export interface NewHostKey {
  readonly host: string;
  readonly type: string;
  readonly fingerprint: string;
  readonly knownHostsFile: string;
}

const KEEPALIVE_INTERVAL_MS = 10_000;
const KEEPALIVE_MAX_MISSED = 3;
const READY_TIMEOUT_MS = 20_000;

/** AES-GCM first: with AES instructions it is several times faster than what ssh2 and sshd would agree on. */
const ciphers: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
];

/**
 * Opens an authenticated connection to a host whose key was checked.
 *
 * @throws RemoteError `host-key` or `auth` (permanent), or `unreachable` (retryable).
 */
export async function connect(target: SshTarget, onNewHostKey: (key: NewHostKey) => void): Promise<Client> {
  const privateKey = await readIdentity(target);
  const known = knownKeysOf(await readKnownHosts(target.knownHostsFile), knownHostsName(target.address, target.port));
  const client = new Client();
  return new Promise((resolve, reject) => {
    let refusal: RemoteError | undefined;
    const fail = (error: Error): void => {
      client.destroy();
      reject(refusal ?? connectError(target, known, error));
    };
    client.once('error', fail);
    client.once('close', () => {
      fail(new Error('the host closed the connection before it was ready'));
    });
    client.once('ready', () => {
      client.removeAllListeners('error').removeAllListeners('close');
      resolve(client);
    });
    try {
      client.connect({
        host: target.address,
        port: target.port,
        username: target.user,
        privateKey,
        keepaliveInterval: KEEPALIVE_INTERVAL_MS,
        keepaliveCountMax: KEEPALIVE_MAX_MISSED,
        readyTimeout: READY_TIMEOUT_MS,
        algorithms: {
          cipher: ciphers,
          compress: ['none'],
          serverHostKey: hostKeyAlgorithms(known) as ServerHostKeyAlgorithm[],
        },
        hostVerifier: (blob: Buffer, verdict: (ok: boolean) => void) => {
          admit(target, hostKeyFromBlob(blob), onNewHostKey).then(
            () => {
              verdict(true);
            },
            (error: unknown) => {
              refusal = error as RemoteError;
              verdict(false);
            },
          );
        },
      });
    } catch (error) {
      // connect() itself throws only when it cannot parse the key; its text does not quote the key.
      refusal = authError(target, `the key file ${target.identityFile} cannot be used: ${(error as Error).message}`);
      fail(refusal);
    }
  });
}

async function readIdentity(target: SshTarget): Promise<Buffer> {
  try {
    return await readFile(target.identityFile);
  } catch (error) {
    throw authError(target, `cannot read the SSH key: ${(error as Error).message}`);
  }
}

/** Resolves when the key that the host showed is, or has just become, the known one. */
async function admit(target: SshTarget, seen: HostKey, onNewHostKey: (key: NewHostKey) => void): Promise<void> {
  const file = target.knownHostsFile;
  const name = knownHostsName(target.address, target.port);
  // Read again: another worker may have met the host since we started to connect.
  const verdict = judgeHostKey(knownKeysOf(await readKnownHosts(file), name), seen);
  const shown = `${seen.type} ${fingerprint(seen)}`;
  if (verdict === 'known') return;
  if (verdict === 'unknown' && target.hostKeys === 'accept-new') {
    await rememberHostKey(file, name, seen);
    onNewHostKey({ host: target.name, type: seen.type, fingerprint: fingerprint(seen), knownHostsFile: file });
    return;
  }
  throw hostKeyError(
    target,
    {
      unknown: `host key ${shown} of ${name} is not in ${file}; compare it on the host with "ssh-keygen -lf /etc/ssh/ssh_host_<type>_key.pub", then add it to the file or set hostKeys to accept-new for the first connection`,
      changed: `host key ${shown} of ${name} is not the one in ${file}: another machine may be answering; if the host was installed anew, remove its old key with: ssh-keygen -R '${name}' -f '${file}'`,
      revoked: `host key ${shown} of ${name} is marked @revoked in ${file}; give the host a new key`,
    }[verdict],
  );
}

function connectError(target: SshTarget, known: readonly KnownHostKey[], error: Error): RemoteError {
  const { level } = error as { level?: string };
  const where = `${target.user}@${target.address} port ${target.port}`;
  if (level === 'client-authentication') {
    return authError(
      target,
      `${where} refused the key ${target.identityFile}; add its public half to the user's authorized_keys`,
    );
  }
  if (known.length > 0 && /no matching host key/i.test(error.message)) {
    const types = [...new Set(known.map((key) => key.type))].join(', ');
    return hostKeyError(
      target,
      `${where} no longer has a host key of the types in ${target.knownHostsFile} (${types}); if the host was installed anew, remove its old keys with: ssh-keygen -R '${knownHostsName(target.address, target.port)}' -f '${target.knownHostsFile}'`,
    );
  }
  const reason = level === 'client-timeout' ? `no answer within ${READY_TIMEOUT_MS / 1000} s` : error.message;
  return new RemoteError({ host: target.name, kind: 'unreachable', reason: `cannot connect to ${where}: ${reason}` });
}

function authError(target: SshTarget, reason: string): RemoteError {
  return new RemoteError({ host: target.name, kind: 'auth', reason });
}

function hostKeyError(target: SshTarget, reason: string): RemoteError {
  return new RemoteError({ host: target.name, kind: 'host-key', reason });
}
