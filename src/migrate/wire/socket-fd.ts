// From a connection that Node has made to an fd that our threads use. Node has no public way; the number is read where every Node since
// 0.10 keeps it, and its absence is said.

import type { Socket } from 'node:net';
import { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

/** Takes the connection over: Node forgets it without shutting it down. Nothing may be buffered in the socket. */
export function takeConnection(socket: Socket): Fd {
  socket.pause();
  const handle: unknown = Reflect.get(socket, '_handle');
  const number: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof number !== 'number' || number < 0) {
    socket.destroy();
    throw new CheckpointError('IO', 'Cannot take over a connection: it was closed by the peer', { errno: 'ENOTCONN' });
  }
  const fd = Fd.duplicate(number);
  // Closes only Node's number: what ends a connection is shutdown(), or the last close.
  socket.destroy();
  return fd;
}
