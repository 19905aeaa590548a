// The connection on which the destination asks for the pages that were left behind: one more page stream, in CRIU's page protocol. Where page
// streams are sealed it goes through a tunnel, whose plain end only this process and the one that fills have.

import type { Fd } from '../../addon/fd.js';
import { streamPair } from '../../addon/sockets.js';
import { runTunnel } from '../../addon/tunnel.js';
import type { LeftKeys } from './token.js';

export interface LeftConnection extends AsyncDisposable {
  /** Speaks the page protocol. */
  readonly socket: Fd;
}

/** Consumes `stream`. Disposing ends what still goes through it. */
export function openLeft(stream: Fd, keys: LeftKeys | undefined, side: 'source' | 'destination'): LeftConnection {
  if (keys === undefined) return { socket: stream, [Symbol.asyncDispose]: async () => stream.close() };
  const { toDestination, toSource } = keys;
  const [socket, inner] = streamPair();
  const tunnel = runTunnel({
    outer: stream,
    inner,
    keys: side === 'source' ? [toDestination, toSource] : [toSource, toDestination],
  });
  // Whoever speaks through it sees its end.
  tunnel.done.catch(() => {});
  return {
    socket,
    async [Symbol.asyncDispose]() {
      socket.close();
      await tunnel[Symbol.asyncDispose]();
    },
  };
}
