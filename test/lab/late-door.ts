import { connect, createServer } from 'node:net';
import { listen } from '../support/loopback.js';

/** Longer than it takes to hear what the worker logs and to kill it: Temporal's SDK keeps a line for 100 to 200 ms. */
const LATE_MS = 300;

export interface LateDoor {
  readonly port: number;
  /** Lets nobody in any more. */
  readonly close: () => void;
}

/**
 * Opens a port that leads to another one of this machine, where everything arrives a moment late: what a sender said last
 * is lost when it is killed. So a workflow task can be met that is over as soon as it is heard of.
 */
export async function lateDoor(port: number): Promise<LateDoor> {
  const door = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    to.pipe(from);
    // Timers of the same length end in the order in which they began.
    from.on('data', (bytes) => setTimeout(() => to.destroyed || to.write(bytes), LATE_MS));
    from.on('close', () => to.destroy());
    for (const socket of [from, to]) socket.on('error', () => from.destroy());
  });
  return { port: await listen(door), close: () => door.close() };
}
