// Waiting for the first bytes of a connection, with a bound on the time: a peer that says nothing must not hold a place.

import type { Socket } from 'node:net';

const FIRST_BYTES_MS = 10_000;

/** `undefined` when the connection ends or nothing comes in time. What follows stays in the socket. */
export async function readFirst(socket: Socket, bytes: number): Promise<Buffer | undefined> {
  const silence = setTimeout(() => socket.destroy(), FIRST_BYTES_MS);
  try {
    for (;;) {
      const got: unknown = socket.readableLength >= bytes ? socket.read(bytes) : socket.read(0);
      if (Buffer.isBuffer(got)) return got;
      if (socket.destroyed || socket.readableEnded) return undefined;
      await changed(socket);
    }
  } finally {
    clearTimeout(silence);
  }
}

function changed(socket: Socket): Promise<void> {
  const names = ['readable', 'end', 'close', 'error'] as const;
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const name of names) socket.off(name, settle);
      resolve();
    };
    for (const name of names) socket.on(name, settle);
  });
}
