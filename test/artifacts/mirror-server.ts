import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../support/loopback.js';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface MirrorServer {
  readonly url: string;
  /** Paths asked for so far. */
  readonly requests: string[];
}

/** A local HTTP server that answers every request as told; closed, with all its connections, after the test. */
export async function mirrorServer(t: TestContext, answer: Answer): Promise<MirrorServer> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  const port = await listen(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, requests };
}
