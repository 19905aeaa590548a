// The source's connections: one control stream, and as many page streams as were agreed on.

import { connect as connectSocket, type Socket } from 'node:net';
import type { Fd } from '../../addon/fd.js';
import { takeConnection } from '../../addon/socket-fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type Address, formatAddress } from './address.js';
import { type Channel, openChannel } from './channel.js';
import { parseToSource, type ToDestination, type ToSource } from './messages.js';
import { ACCEPTED, CONTROL, pagesPreamble } from './preamble.js';
import { readFirst } from './read-first.js';
import type { SourceSecurity } from './security.js';
import { type LeftKeys, leftKeysOf, pageKeyOf } from './token.js';

export type SourceChannel = Channel<ToDestination, ToSource>;

export interface Link {
  readonly channel: SourceChannel;
  /** A round trip, as the connection took one to be made. */
  readonly roundTripMs: number;
  /** Of our end; absent on a unix socket. */
  readonly localAddress: string | undefined;
  /** The key of a page stream; without one they are plaintext. */
  keyOf(stream: number): Uint8Array | undefined;
  /** The same of the connection for pages that are left behind. */
  leftKeys(): LeftKeys | undefined;
}

export interface ConnectOptions {
  readonly to: Address;
  readonly security: SourceSecurity;
  readonly signal: AbortSignal;
}

/** Rejects with IO, ABORTED, or NOT_PERMITTED when the peer is not the one that the token names. */
export async function connectControl(options: ConnectOptions): Promise<Link> {
  const begun = performance.now();
  const socket = await dial(options);
  const roundTripMs = performance.now() - begun;
  const { localAddress } = socket;
  const { security, to } = options;
  if (security.kind === 'plaintext') {
    socket.write(CONTROL);
    return {
      channel: openChannel(socket, parseToSource),
      roundTripMs,
      localAddress,
      keyOf: () => undefined,
      leftKeys: () => undefined,
    };
  }
  const { secure } = await import('./tls-source.js');
  const tls = await secure(socket, security, to.kind === 'tcp' ? to.host : 'localhost');
  return {
    channel: openChannel(tls, parseToSource),
    roundTripMs,
    localAddress,
    keyOf: (stream) => pageKeyOf(tls, stream),
    leftKeys: () => leftKeysOf(tls),
  };
}

/** Opens page stream number `stream`. The destination has said by its session that it waits for it. */
export async function connectPages(options: ConnectOptions, session: string, stream: number): Promise<Fd> {
  const socket = await dial(options);
  socket.write(pagesPreamble(session, stream));
  const answer = await readFirst(socket, ACCEPTED.length);
  if (answer?.equals(ACCEPTED) === true) return takeConnection(socket);
  socket.destroy();
  const message = `Cannot open a page stream to ${formatAddress(options.to)}: the destination refused it`;
  throw new CheckpointError('PROTOCOL', message, { expected: 'its acceptance' });
}

async function dial({ to, signal }: ConnectOptions): Promise<Socket> {
  const socket =
    to.kind === 'unix' ? connectSocket({ path: to.path }) : connectSocket({ host: to.host, port: to.port });
  const abort = (): void => void socket.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // Whoever reads learns of errors as of the end.
    socket.on('error', () => {});
    return socket;
  } catch (cause) {
    throw signal.aborted ? aborted(signal) : unreachable(to, cause);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

// A peer whose machine has died is found out within a minute.
const KEEP_ALIVE_MS = 10_000;

function unreachable(to: Address, cause: unknown): CheckpointError<'IO'> {
  const { code: errno = 'unknown' } = cause as NodeJS.ErrnoException;
  const where = formatAddress(to);
  const message = `Cannot connect to ${where}: ${errno}. Start "frazil receive --listen ${where}" there`;
  return new CheckpointError('IO', message, { syscall: 'connect', errno, path: where }, { cause });
}

function aborted(signal: AbortSignal): CheckpointError<'ABORTED'> {
  return new CheckpointError('ABORTED', 'Cannot connect: the caller aborted it', {}, { cause: signal.reason });
}
