import { readFile } from 'node:fs/promises';
import ssh2, { Client, type CipherAlgorithm, type MacAlgorithm, type ServerHostKeyAlgorithm } from 'ssh2';
import { distrust } from '../file-trust.js';
import { isErrno } from '../state-store/durable-files.js';
import { OfferedAlgorithms } from './algorithms.js';
import { RemoteError } from './errors.js';
import { recordFirstUse } from './first-use.js';
import {
  fingerprint,
  hostKeyAlgorithms,
  hostKeyFromBlob,
  judgeHostKey,
  knownHostsName,
  knownKeysOf,
  readKnownHosts,
  type HostKey,
  type HostKeyVerdict,
  type KnownHostKey,
} from './known-hosts.js';
import { quote } from './remote-command.js';
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

/** ssh2 would also take SHA-1. */
const macs: MacAlgorithm[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
];

/**
 * Opens an authenticated connection to a host whose key was checked.
 *
 * @throws RemoteError `host-key`, `auth` or `algorithms` (permanent), or `unreachable` (retryable).
 */
export async function connect(target: SshTarget, onNewHostKey: (key: NewHostKey) => void): Promise<Client> {
  const privateKey = await readIdentity(target);
  const known = knownKeysOf(await trustedKnownHosts(target), knownHostsName(target.address, target.port));
  const client = new Client();
  const offered = new OfferedAlgorithms();
  let admitted: Buffer | undefined;
  return new Promise((resolve, reject) => {
    let refusal: RemoteError | undefined;
    const fail = (error: Error): void => {
      client.destroy();
      reject(refusal ?? connectError(target, { known, offered, privateKey }, error));
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
          hmac: macs,
          compress: ['none'],
          serverHostKey: hostKeyAlgorithms(known) as ServerHostKeyAlgorithm[],
        },
        debug: (message) => {
          offered.listen(message);
        },
        hostVerifier: (blob: Buffer, verdict: (ok: boolean) => void) => {
          // A key re-exchange asks again. An answer that comes later lets data go out in the middle of it, at which the
          // host ends the connection: https://github.com/mscdex/ssh2/issues/856
          if (admitted !== undefined) {
            verdict(admitted.equals(blob));
            return;
          }
          admit(target, hostKeyFromBlob(blob), onNewHostKey).then(
            () => {
              admitted = blob;
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
    const problem = await distrust(target.identityFile, { secret: true });
    if (problem !== undefined) throw new Error(problem);
    return await readFile(target.identityFile);
  } catch (error) {
    throw authError(target, `cannot read the SSH key: ${(error as Error).message}`);
  }
}

async function trustedKnownHosts({ name, knownHostsFile }: SshTarget): Promise<string> {
  const problem = await distrust(knownHostsFile, { secret: false }).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (problem !== undefined) {
    throw new RemoteError({ host: name, kind: 'host-key', reason: `cannot trust the known host keys: ${problem}` });
  }
  return readKnownHosts(knownHostsFile);
}

/** Resolves when the key that the host showed is, or has just become, the known one. */
async function admit(target: SshTarget, seen: HostKey, onNewHostKey: (key: NewHostKey) => void): Promise<void> {
  const { knownHostsFile: file, address, port } = target;
  const name = knownHostsName(address, port);
  const shown = `${seen.type} ${fingerprint(seen)}`;
  // Read again: another worker may have met the host since we started to connect.
  let verdict: HostKeyVerdict | 'recorded' = judgeHostKey(await readKnownHosts(file), address, port, seen);
  if (verdict === 'unknown' && target.hostKeys === 'accept-new') {
    verdict = await recordFirstUse(file, address, port, seen);
    if (verdict === 'recorded') {
      onNewHostKey({ host: target.name, type: seen.type, fingerprint: fingerprint(seen), knownHostsFile: file });
    }
  }
  if (verdict === 'known' || verdict === 'recorded') return;
  throw hostKeyError(
    target,
    {
      unknown: `host key ${shown} of ${name} is not in ${file}; compare it on the host with "ssh-keygen -lf /etc/ssh/ssh_host_<type>_key.pub", then add it to the file or set hostKeys to accept-new for the first connection`,
      changed: `host key ${shown} of ${name} is not the one in ${file}: another machine may be answering; if the host was installed anew, remove its old key with: ssh-keygen -R ${quote(name)} -f ${quote(file)}`,
      revoked: `host key ${shown} of ${name} is marked @revoked in ${file}; give the host a new key`,
    }[verdict],
  );
}

/** What is known when a connection does not come about. */
interface Attempt {
  readonly known: readonly KnownHostKey[];
  readonly offered: OfferedAlgorithms;
  readonly privateKey: Buffer;
}

function connectError(target: SshTarget, { known, offered, privateKey }: Attempt, error: Error): RemoteError {
  const { level } = error as { level?: string };
  const where = `${target.user}@${target.address} port ${target.port}`;
  if (level === 'client-authentication') {
    return authError(
      target,
      `${where} refused the key ${target.identityFile}; add its public half to the user's authorized_keys${isRsa(privateKey) ? '; if it is there, the host may not take rsa-sha2-256 (PubkeyAcceptedAlgorithms in its sshd_config): use an Ed25519 key' : ''}`,
    );
  }
  if (known.length > 0 && /no matching host key/i.test(error.message)) {
    const types = [...new Set(known.map((key) => key.type))].join(', ');
    return hostKeyError(
      target,
      `${where} no longer has a host key of the types in ${target.knownHostsFile} (${types}); if the host was installed anew, remove its old keys with: ssh-keygen -R ${quote(knownHostsName(target.address, target.port))} -f ${quote(target.knownHostsFile)}`,
    );
  }
  const mismatch = offered.mismatch(error.message);
  if (mismatch !== undefined) {
    return new RemoteError({ host: target.name, kind: 'algorithms', reason: `${where} and we ${mismatch}` });
  }
  const reason = level === 'client-timeout' ? `no answer within ${READY_TIMEOUT_MS / 1000} s` : error.message;
  return new RemoteError({ host: target.name, kind: 'unreachable', reason: `cannot connect to ${where}: ${reason}` });
}

function isRsa(privateKey: Buffer): boolean {
  const parsed = ssh2.utils.parseKey(privateKey);
  return !(parsed instanceof Error) && parsed.type === 'ssh-rsa';
}

function authError(target: SshTarget, reason: string): RemoteError {
  return new RemoteError({ host: target.name, kind: 'auth', reason });
}

function hostKeyError(target: SshTarget, reason: string): RemoteError {
  return new RemoteError({ host: target.name, kind: 'host-key', reason });
}
