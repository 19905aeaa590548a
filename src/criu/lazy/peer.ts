// The connection to whoever has the pages that a dump has left behind.

import { connect } from 'node:net';
import type { Fd } from '../../addon/fd.js';
import { takeConnection } from '../../addon/socket-fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { PeerAddress } from './options.js';

export function nameOfPeer({ address, port }: PeerAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Rejects with IO. Says nothing: what is spoken there is native/page/peer_source.h's affair. */
export async function connectPeer(peer: PeerAddress): Promise<Fd> {
  const socket = connect({ host: peer.address, port: peer.port });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
  } catch (cause) {
    const { code: errno = 'unknown' } = cause as NodeJS.ErrnoException;
    const where = nameOfPeer(peer);
    const message = `Cannot connect to the page server ${where}: ${errno}. Start "criu dump --lazy-pages" or a page server with --lazy-pages there first`;
    throw new CheckpointError('IO', message, { syscall: 'connect', errno, path: where }, { cause });
  }
  return takeConnection(socket);
}
