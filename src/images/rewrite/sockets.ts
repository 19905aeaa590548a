// TCP and UDP sockets: addresses and ports of both ends. A connection whose other end is in the tree, too, is rewritten at both, as the
// rules fit both. Sequence numbers and queues (tcp-stream) say nothing of addresses and stay.

import type { Entry } from '../../schema/images.js';
import type { ImageEntry } from '../codec/decode.js';
import { addressText, addressWords } from '../crit/address.js';
import type { Draft } from './draft.js';
import type { SocketEnd, SocketRule } from './rules.js';

type Socket = Entry<'inet_sk_entry'>;

const PROTOCOLS = new Map([
  [6, 'tcp'],
  [17, 'udp'],
]);
const LISTEN = 10;
// ::ffff:0:0/96, in words of network order: an IPv4 peer of an IPv6 socket.
const MAPPED = [0, 0, 0xffff0000];

/** Throws REWRITE_REFUSED when a new address is of another family, or two listeners would meet. */
export async function rewriteSockets(draft: Draft, rules: readonly SocketRule[]): Promise<void> {
  if (rules.length === 0) return;
  const listening = new Map<string, Socket>();
  for (const name of draft.matching(/^(files|inetsk)\.img$/)) {
    const change = (socket: Socket): Socket => {
      const fresh = rewritten(draft, { name, socket, rules });
      refuseMeeting(draft, { name, socket: fresh, listening });
      return fresh;
    };
    await draft.update(name, (entry) => inSocket(entry, change));
  }
}

function inSocket(entry: ImageEntry, change: (socket: Socket) => Socket): ImageEntry {
  if (entry.kind === 'inet_sk_entry') {
    const message = change(entry.message);
    return message === entry.message ? entry : { ...entry, message };
  }
  if (entry.kind !== 'file_entry' || entry.message.isk === undefined) return entry;
  const isk = change(entry.message.isk);
  return isk === entry.message.isk ? entry : { ...entry, message: { ...entry.message, isk } };
}

interface Found {
  readonly name: string;
  readonly socket: Socket;
  readonly rules: readonly SocketRule[];
}

function rewritten(draft: Draft, { name, socket, rules }: Found): Socket {
  const protocol = PROTOCOLS.get(socket.proto);
  const wanted = rules.filter((rule) => protocol !== undefined && (rule.protocol ?? protocol) === protocol);
  let fresh = socket;
  for (const side of ['src', 'dst'] as const) {
    const { [`${side}_addr` as const]: address = [], [`${side}_port` as const]: port } = socket;
    const rule = wanted.find(({ from }) => fits(from, address, port));
    if (rule === undefined || (side === 'dst' && port === 0)) continue;
    const words = rule.to.address === undefined ? address : inFamily(rule.to.address, address);
    if (words === undefined) {
      const why = `socket ${socket.id} has the address ${addressText(address)}; "${rule.to.address}" is of another family. Name one of the same`;
      throw draft.refuse(name, why);
    }
    const next = rule.to.port ?? port;
    const [old, now] = [text(address, port), text(words, next)];
    if (old === now) continue;
    draft.note({ file: name, entry: `socket ${socket.id} (${protocol})`, field: side, old, new: now });
    fresh = { ...fresh, [`${side}_addr`]: words, [`${side}_port`]: next };
  }
  return fresh;
}

function fits(from: SocketEnd, address: readonly number[], port: number): boolean {
  if (from.port !== undefined && from.port !== port) return false;
  if (from.address === undefined) return true;
  const words = inFamily(from.address, address);
  return words?.every((word, index) => word === address[index]) === true;
}

// An IPv4 address in an IPv6 socket is a mapped one, if what is there is one.
function inFamily(wanted: string, there: readonly number[]): readonly number[] | undefined {
  const words = addressWords(wanted);
  if (words?.length === there.length) return words;
  const mapped = there.length === 4 && MAPPED.every((word, index) => word === there[index]);
  return words?.length === 1 && mapped ? [...MAPPED, ...words] : undefined;
}

function text(address: readonly number[], port: number): string {
  return address.length === 1 ? `${addressText(address)}:${port}` : `[${addressText(address)}]:${port}`;
}

function refuseMeeting(
  draft: Draft,
  { name, socket, listening }: { name: string; socket: Socket; listening: Map<string, Socket> },
): void {
  if (socket.state !== LISTEN || socket.opts.so_reuseport === true) return;
  const place = `${socket.ns_id ?? 0} ${socket.proto} ${text(socket.src_addr ?? [], socket.src_port)}`;
  const other = listening.get(place);
  // One socket may have two entries: shared by dup(), it has one; an entry of its own is another socket.
  if (other !== undefined && other.ino !== socket.ino) {
    const where = text(socket.src_addr ?? [], socket.src_port);
    throw draft.refuse(name, `sockets ${other.id} and ${socket.id} would both listen on ${where}. Choose another port`);
  }
  listening.set(place, socket);
}
