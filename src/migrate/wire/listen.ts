// The destination's port: tells control streams from page streams by their first bytes, and hands each to whoever waits for it.

import { createServer, type Server, type Socket } from 'node:net';
import type { Fd } from '../../addon/fd.js';
import { duplicateOf, takeConnection } from '../../addon/socket-fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type Address, formatAddress } from './address.js';
import { type Channel, openChannel } from './channel.js';
import { parseToDestination, type ToDestination, type ToSource } from './messages.js';
import { ACCEPTED, beginningOf, FIRST_BYTES, PAGES_BYTES, readPagesPreamble } from './preamble.js';
import { readFirst } from './read-first.js';
import type { DestinationSecurity } from './security.js';
import { type Admitted, type Door, type DoorKeys, openDoor, reopenDoor } from './tls-destination.js';
import { type LeftKeys, leftKeysOf, pageKeyOf } from './token.js';

export type DestinationChannel = Channel<ToSource, ToDestination>;

export interface DestinationLink {
  readonly channel: DestinationChannel;
  keyOf(stream: number): Uint8Array | undefined;
  /** Of the connection for pages that are left behind. */
  leftKeys(): LeftKeys | undefined;
  /** False when all that it may do is to ask what became of a migration. */
  readonly fresh: boolean;
}

export interface Listener extends AsyncDisposable {
  /** Where it really listens: port 0 has become one. */
  readonly address: Address;
  /** What the next source needs, if it needs a token. */
  readonly token: string | undefined;
  /** For whoever goes on listening when this process ends. Absent with plaintext. */
  readonly keys: DoorKeys | undefined;
  /** The listening socket, as a duplicate that the caller owns. */
  socket(): Fd;
  /**
   * The page streams of one migration, in order, when all of them are there. Rejects with ABORTED.
   */
  streams(session: string, count: number, signal: AbortSignal): Promise<readonly Fd[]>;
}

type Waiting = Map<string, (stream: number, socket: Socket) => boolean>;

/** `onLink` gets each control stream. Rejects with IO when the address cannot be had. */
export async function listen(
  address: Address,
  security: DestinationSecurity,
  onLink: (link: DestinationLink) => void,
): Promise<Listener> {
  const door = security.kind === 'plaintext' ? undefined : await openDoor(security);
  const waiting: Waiting = new Map();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    welcome(socket, { waiting, door, onLink });
  });
  await bound(server, address);
  return {
    address: whereOf(server, address),
    get token() {
      return door?.token;
    },
    get keys() {
      return door?.keys;
    },
    socket: () => duplicateOf(server),
    streams: (session, count, signal) => gather({ waiting, session, count, signal }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Goes on with a socket that another process has listened on, for as long as this one lives. */
export function takeOverListening(
  fd: number,
  keys: DoorKeys | undefined,
  onLink: (link: DestinationLink) => void,
): void {
  const reopened = keys === undefined ? Promise.resolve(undefined) : reopenDoor(keys);
  const server = createServer((socket) => {
    reopened.then(
      (door) => welcome(socket, { waiting: new Map(), door, onLink }),
      () => socket.destroy(),
    );
  });
  server.listen({ fd });
}

function welcome(socket: Socket, entrance: Entrance): void {
  socket.on('error', () => {}).setNoDelay(true);
  void admit(socket, entrance).catch(() => socket.destroy());
}

interface Entrance {
  readonly waiting: Waiting;
  /** Without one everything is plaintext. */
  readonly door: Door | undefined;
  readonly onLink: (link: DestinationLink) => void;
}

async function admit(socket: Socket, { waiting, door, onLink }: Entrance): Promise<void> {
  const first = await readFirst(socket, FIRST_BYTES);
  if (first === undefined) return void socket.destroy();
  switch (beginningOf(first)) {
    case 'pages':
      return admitPages(socket, first, waiting);
    case 'control':
      if (door !== undefined) break;
      return onLink({
        channel: openChannel(socket, parseToDestination),
        keyOf: () => undefined,
        leftKeys: () => undefined,
        fresh: true,
      });
    case 'tls':
      if (door === undefined) break;
      return admitSecure(await door.admit(socket, first), onLink);
    default:
  }
  socket.destroy();
}

function admitSecure(admitted: Admitted | undefined, onLink: Entrance['onLink']): void {
  if (admitted === undefined) return;
  const { tls, fresh } = admitted;
  onLink({
    channel: openChannel(tls, parseToDestination),
    keyOf: (stream) => pageKeyOf(tls, stream),
    leftKeys: () => leftKeysOf(tls),
    fresh,
  });
}

async function admitPages(socket: Socket, first: Buffer, waiting: Waiting): Promise<void> {
  const rest = await readFirst(socket, PAGES_BYTES - FIRST_BYTES);
  const { session, stream } = readPagesPreamble(Buffer.concat([first, rest ?? Buffer.alloc(PAGES_BYTES)]));
  const wanted = rest !== undefined && waiting.get(session)?.(stream, socket);
  if (wanted !== true) socket.destroy();
}

interface Gathering {
  readonly waiting: Waiting;
  readonly session: string;
  readonly count: number;
  readonly signal: AbortSignal;
}

async function gather({ waiting, session, count, signal }: Gathering): Promise<readonly Fd[]> {
  const sockets = new Map<number, Socket>();
  const all = new Promise<void>((resolve, reject) => {
    const abort = (): void => reject(new CheckpointError('ABORTED', 'Cannot wait for page streams: aborted', {}));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    waiting.set(session, (stream, socket) => {
      if (stream >= count || sockets.has(stream)) return false;
      sockets.set(stream, socket);
      if (sockets.size === count) resolve();
      return true;
    });
  });
  const taken: Fd[] = [];
  try {
    await all;
    const ordered = Array.from({ length: count }, (_, i) => sockets.get(i)).filter((socket) => socket !== undefined);
    // The peer begins to send when it has this: by then nothing of the stream may be read by Node.
    for (const socket of ordered) socket.pause();
    await Promise.all(ordered.map((socket) => new Promise<void>((sent) => socket.write(ACCEPTED, () => sent()))));
    for (const socket of ordered) taken.push(takeConnection(socket));
    return taken;
  } catch (error) {
    for (const fd of taken) fd.close();
    for (const socket of sockets.values()) socket.destroy();
    throw error;
  } finally {
    waiting.delete(session);
  }
}

async function bound(server: Server, address: Address): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const listening = (): void => resolve();
      if (address.kind === 'unix') server.listen({ path: address.path }, listening);
      else server.listen({ host: address.host, port: address.port }, listening);
    });
  } catch (cause) {
    const { code: errno = 'unknown' } = cause as NodeJS.ErrnoException;
    const where = formatAddress(address);
    const message = `Cannot listen on ${where}: ${errno}. Choose another address`;
    throw new CheckpointError('IO', message, { syscall: 'listen', errno, path: where }, { cause });
  }
}

function whereOf(server: Server, asked: Address): Address {
  const real = server.address();
  if (asked.kind === 'unix' || real === null || typeof real === 'string') return asked;
  return { ...asked, port: real.port };
}
