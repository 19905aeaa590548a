// Between a source and a destination in plaintext: passes connections on, and lets a test do something at each message of a control
// stream, before it is passed on.

import { connect, createServer, type Socket } from 'node:net';

export type Direction = 'to-destination' | 'to-source';
/** `cut`: the message is lost, and both connections are broken. */
export type Fate = 'pass' | 'cut';

export interface MessageProxy extends AsyncDisposable {
  readonly address: string;
  /** All that were seen, as "to-source running". */
  readonly seen: readonly string[];
  /** Breaks the connection on which pages are asked for. */
  breakLeft(): void;
}

const CONTROL = 'FRAZILC1';
const HEAD_BYTES = 8;

export interface ProxyOptions {
  readonly onMessage: (direction: Direction, type: string) => Fate | Promise<Fate>;
  /** Of the pages that are left behind at the source so much passes, and no more; then they are simply not answered. Default: all. */
  readonly leftBytes?: number | undefined;
}

export async function startProxy(
  at: string,
  to: string,
  { onMessage, leftBytes = Number.POSITIVE_INFINITY }: ProxyOptions,
): Promise<MessageProxy> {
  const seen: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ path: to });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => {}).once('close', () => open.delete(socket));
    }
    // Nobody listens there: what a client of it would see itself.
    upstream.once('error', () => client.destroy());
    const both = { client, upstream, seen, onMessage, leftBytes };
    // What breaks here is what the test has broken: the other end sees it, too.
    const broken = (): void => {
      client.destroy();
      upstream.destroy();
    };
    pass(client, upstream, { ...both, direction: 'to-destination', preamble: true }).catch(broken);
    pass(upstream, client, { ...both, direction: 'to-source', preamble: false }).catch(broken);
  });
  await new Promise<void>((resolve) => server.listen({ path: at }, resolve));
  return {
    address: `unix:${at}`,
    seen,
    breakLeft: () => {
      for (const socket of open) if (lefts.has(socket)) socket.destroy(new Error('broken by the test'));
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Passing {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly seen: string[];
  readonly direction: Direction;
  /** Whether something stands before the first message. */
  readonly preamble: boolean;
  readonly onMessage: ProxyOptions['onMessage'];
  readonly leftBytes: number;
}

const controls = new WeakSet<Socket>();

async function pass(from: Socket, to: Socket, way: Passing): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  let begun = !way.preamble;
  let passed = 0;
  for await (const piece of from.iterator({ destroyOnReturn: false })) {
    held = Buffer.concat([held, piece as Buffer]);
    if (!begun && held.length >= CONTROL.length) {
      begun = true;
      if (held.subarray(0, CONTROL.length).toString() === CONTROL) controls.add(way.client);
      to.write(held.subarray(0, CONTROL.length));
      held = held.subarray(CONTROL.length);
    }
    if (!begun) continue;
    if (!controls.has(way.client)) {
      const left = way.preamble && isLeft(held, way) ? way.leftBytes - passed : Number.POSITIVE_INFINITY;
      const most = Math.max(0, Math.min(held.length, left));
      to.write(held.subarray(0, most));
      passed += most;
      held = Buffer.alloc(0);
    } else {
      const rest = await passMessages(held, to, way);
      if (rest === undefined) return;
      held = rest;
    }
  }
  to.end();
}

/** Of these it is known which they are; of these they are for pages that are left behind. */
const known = new WeakSet<Socket>();
const lefts = new WeakSet<Socket>();
// Behind the word that is cut off: 16 bytes of a session, then the number of the stream. Two are of pages that are sent.
const STREAM_AT = 16;
const LEFT_STREAM = 2;

function isLeft(bytes: Buffer, { client }: Passing): boolean {
  if (!known.has(client)) {
    known.add(client);
    if (bytes[STREAM_AT] === LEFT_STREAM) lefts.add(client);
  }
  return lefts.has(client);
}
async function passMessages(bytes: Buffer, to: Socket, way: Passing): Promise<Buffer | undefined> {
  let rest = bytes;
  while (rest.length >= HEAD_BYTES) {
    const json = rest.readUInt32LE(0);
    const whole = HEAD_BYTES + json + rest.readUInt32LE(4);
    if (rest.length < whole) break;
    const { type } = JSON.parse(rest.subarray(HEAD_BYTES, HEAD_BYTES + json).toString());
    way.seen.push(`${way.direction} ${type}`);
    if ((await way.onMessage(way.direction, type)) === 'cut') {
      way.client.destroy();
      way.upstream.destroy();
      return undefined;
    }
    to.write(rest.subarray(0, whole));
    rest = rest.subarray(whole);
  }
  return rest;
}
