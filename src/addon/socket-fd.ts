// From a connection that Node has made to an fd that our threads use. Node has no public way; the number is read where every Node since
// 0.10 keeps it, and its absence is said.

import type { Server, Socket } from 'node:net';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { Fd } from './fd.js';

/** Takes the connection over: Node forgets it without shutting it down. Nothing may be buffered in the socket. */
export function takeConnection(socket: Socket): Fd {
  socket.pause();
  const number = numberOf(socket);
  if (number === undefined) {
    socket.destroy();
    throw new CheckpointError('IO', 'Cannot take over a connection: it was closed by the peer', { errno: 'ENOTCONN' });
  }
  const fd = Fd.duplicate(number);
  // Closes only Node's number: what ends a connection is shutdown(), or the last close.
  socket.destroy();
  return fd;
}

/** Of a server that listens. */
export function duplicateOf(server: Server): Fd {
  const number = numberOf(server);
  if (number === undefined) throw new CheckpointError('IO', 'Cannot pass the listening socket on: it is closed', {});
  return Fd.duplicate(number);
}

function numberOf(owner: object): number | undefined {
  const handle: unknown = Reflect.get(owner, '_handle');
  const number: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof number === 'number' && number >= 0 ? number : undefined;
}
