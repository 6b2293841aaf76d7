import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lateDoor, type LateDoor } from '../lab/late-door.js';
import { listen } from '../support/loopback.js';

let server: Server;
let door: LateDoor;
let heard: string;

before(async () => {
  server = createServer((socket) => {
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write('yes');
    });
    socket.on('error', () => undefined);
  });
  door = await lateDoor(await listen(server));
});

after(() => {
  door.close();
  server.close();
});

test('everything arrives through a late door in its order, and is answered', { timeout: 10_000 }, async () => {
  heard = '';
  const socket = connect(door.port, '127.0.0.1');
  socket.write('one ');
  await delay(5);
  socket.write('two');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^yes/);
  while (heard.length < 7) await delay(5);
  assert.equal(heard, 'one two');
  socket.destroy();
});

test('what a sender said last is lost with it', async () => {
  heard = '';
  const socket = connect(door.port, '127.0.0.1');
  socket.write('said');
  await once(socket, 'data');
  socket.end(' and lost');
  await delay(600);
  assert.equal(heard, 'said');
});
