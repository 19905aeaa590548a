// A link that carries so many bytes per second to the server, whatever the number of connections.

import { connect, createServer, type Socket } from 'node:net';

export interface SlowLink extends AsyncDisposable {
  readonly address: string;
}

const MS_PER_S = 1000;
const AHEAD_MS = 10;

/** Listens on a unix socket at `at`, and passes on to the one at `to`. */
export async function openSlowLink(at: string, to: string, bytesPerSecond: number): Promise<SlowLink> {
  const open = new Set<Socket>();
  let freeAt = 0;
  const server = createServer((client) => {
    const upstream = connect(to);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {});
    }
    client.on('data', (piece) => {
      freeAt = Math.max(freeAt, performance.now()) + (piece.length / bytesPerSecond) * MS_PER_S;
      upstream.write(piece);
      const aheadMs = freeAt - performance.now();
      // A timer is not more exact than that.
      if (aheadMs < AHEAD_MS) return;
      client.pause();
      setTimeout(() => client.resume(), aheadMs);
    });
    client.on('end', () => upstream.end()).on('close', () => upstream.destroy());
    upstream.on('data', (piece) => void client.write(piece));
    upstream.on('end', () => client.end()).on('close', () => client.destroy());
  });
  await new Promise<void>((ready) => server.listen(at, ready));
  return {
    address: `unix:${at}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
