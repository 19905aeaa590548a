// Somebody in the middle of a connection, who spoils it.

import { connect, createServer, type Socket } from 'node:net';
import { LOOPBACK } from './left-behind.js';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** What the server has said so far, in bytes. */
  said(): number;
}

/** Sees every piece of what the server says, and where in the whole it begins. What it gives back goes on; nothing ends the piece. */
export type Spoil = (piece: Buffer, at: number, client: Socket) => Buffer;

export async function openProxy(port: number, spoil: Spoil): Promise<Proxy> {
  let at = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ host: LOOPBACK, port });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true).on('error', () => {});
    }
    client.on('data', (piece) => void upstream.write(piece)).on('close', () => upstream.resetAndDestroy());
    upstream.on('data', (piece) => {
      const begun = at;
      at += piece.length;
      const passed = spoil(piece, begun, client);
      if (!client.destroyed && passed.length > 0) client.write(passed);
    });
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((ready) => server.listen(0, LOOPBACK, ready));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    said: () => at,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
