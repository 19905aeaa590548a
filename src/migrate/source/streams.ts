// How many page streams: each has a thread at both ends that reads, compares, compresses and seals, and a window of the kernel's that bounds
// what can be on its way.

import { readFile } from 'node:fs/promises';
import { availableParallelism, networkInterfaces } from 'node:os';
import { MAX_STREAMS } from '../wire/address.js';
import type { Link } from '../wire/connect.js';
import type { MigrateOptions } from './options.js';

export interface ChosenStreams {
  readonly count: number;
  /** Why: a clause. */
  readonly reason: string;
}

export interface StreamsModel {
  readonly processors: number;
  readonly roundTripMs: number;
  readonly linkBytesPerSecond: number;
  /** What one connection can have on its way. */
  readonly windowBytes: number;
}

// More fill a link of 10 Gbit/s, sealed, several times over; the tree wants processors, too.
const MOST_BY_PROCESSORS = 4;
const MOST_BY_DELAY = 8;
const MS_PER_S = 1000;

/** Pure. */
export function streamsFor({ processors, roundTripMs, linkBytesPerSecond, windowBytes }: StreamsModel): ChosenStreams {
  const busy = Math.max(1, Math.min(MOST_BY_PROCESSORS, processors));
  const windows = Math.ceil(((roundTripMs / MS_PER_S) * linkBytesPerSecond) / windowBytes);
  const filling = Math.min(MOST_BY_DELAY, windows);
  if (filling <= busy) return { count: busy, reason: `${processors} processors here` };
  return { count: filling, reason: `a round trip of ${roundTripMs.toFixed(1)} ms` };
}

/** As many as were asked for, which are at most MAX_STREAMS, or as the machine and the link tell. */
export async function chooseStreams({ streams }: MigrateOptions, link: Link): Promise<ChosenStreams> {
  if (streams !== undefined) return { count: Math.min(streams, MAX_STREAMS), reason: 'it was asked for' };
  return streamsFor({
    processors: availableParallelism(),
    roundTripMs: link.roundTripMs,
    linkBytesPerSecond: await linkRate(link.localAddress),
    windowBytes: await sendWindow(),
  });
}

// Where the device does not tell: what servers have.
const USUAL_MBITS = 10_000;
const BYTES_PER_MBIT = 125_000;

/** Of the device that has our address. */
async function linkRate(localAddress: string | undefined): Promise<number> {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) =>
    (addresses ?? []).some(({ address }) => address === localAddress),
  );
  const text = found === undefined ? '' : await readFile(`/sys/class/net/${found[0]}/speed`, 'utf8').catch(() => '');
  const mbits = Number(text);
  return (mbits > 0 ? mbits : USUAL_MBITS) * BYTES_PER_MBIT;
}

// tcp(7): the largest send buffer that the kernel grows to by itself.
const USUAL_WINDOW = 4 * 2 ** 20;

async function sendWindow(): Promise<number> {
  const text = await readFile('/proc/sys/net/ipv4/tcp_wmem', 'utf8').catch(() => '');
  return Number(text.trim().split(/\s+/)[2]) || USUAL_WINDOW;
}
