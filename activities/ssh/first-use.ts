import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableFiles, isErrno } from '../state-store/durable-files.js';
import { judgeHostKey, knownHostsName, readKnownHosts, type HostKey, type HostKeyVerdict } from './known-hosts.js';

/** Longest time that somebody who lives needs to record a key. */
const RECORDING_MS = 2000;
const LOOK_AGAIN_MS = 50;

/**
 * Records the key of a host that is met for the first time. Whoever creates the file `KNOWN_HOSTS.new-NAME` is the one
 * who does; of two first connections at once, in one worker or in two, the second one is judged by the key of the first.
 * One append of one line, and not a rewrite of the file: nobody's entries are lost.
 *
 * @returns `recorded`, or what the file says of the key by now.
 */
export async function recordFirstUse(
  file: string,
  address: string,
  port: number,
  key: HostKey,
): Promise<HostKeyVerdict | 'recorded'> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const name = knownHostsName(address, port);
  const claim = `${file}.new-${name}`;
  const line = `${name} ${key.type} ${key.blob.toString('base64')}\n`;
  while (!(await new DurableFiles(dirname(file)).create(claim, line, 0o600))) await settle(file, claim);
  try {
    // Again, now that nobody else can add one.
    const verdict = judgeHostKey(await readKnownHosts(file), address, port, key);
    if (verdict !== 'unknown') return verdict;
    await append(file, line);
    return 'recorded';
  } finally {
    await rm(claim, { force: true });
  }
}

/** Waits until another one has recorded its key; does it in the place of one that died. */
async function settle(file: string, claim: string): Promise<void> {
  for (let waited = 0; waited < RECORDING_MS; waited += LOOK_AGAIN_MS) {
    if ((await claimed(claim)) === undefined) return;
    await sleep(LOOK_AGAIN_MS);
  }
  const line = await claimed(claim);
  if (line !== undefined && !(await readKnownHosts(file)).includes(line)) await append(file, line);
  await rm(claim, { force: true });
}

async function claimed(claim: string): Promise<string | undefined> {
  try {
    return await readFile(claim, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function append(file: string, line: string): Promise<void> {
  const text = await readKnownHosts(file);
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  await appendFile(file, separator + line, { mode: 0o600 });
}
