import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './errors.js';
import { say } from './progress.js';

/**
 * Runs `work` while no other lab command on this machine holds the lock `name`.
 *
 * The lock is a listening socket in the kernel's abstract namespace: it goes with its process, however that ends, so
 * there is never a stale one to clean up.
 * @throws LabError if the lock is not free within ten minutes
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = await acquire(name);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

async function acquire(name: string): Promise<Server> {
  const deadline = Date.now() + 600_000;
  let said = false;
  while (Date.now() < deadline) {
    const server = await listen(`\0ha-kubernetes-lab/${name}`);
    if (server !== undefined) return server;
    if (!said) say(`waiting for another lab command to finish (lock "${name}")`);
    said = true;
    await sleep(100);
  }
  throw new LabError(`another lab command has held the lock "${name}" for ten minutes: wait for it or end it`);
}

async function listen(address: string): Promise<Server | undefined> {
  const server = createServer((connection) => {
    connection.destroy();
  });
  server.listen(address);
  try {
    await once(server, 'listening');
    server.unref();
    return server;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
