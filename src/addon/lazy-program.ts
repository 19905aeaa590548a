// The program that serves lazy restores: built with the addon and lying beside it. native/lazy/messages.h defines what is read here.

import { existsSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Fd } from './fd.js';
import { ADDON } from './load.js';

/** Its path. Throws ADDON_MISSING. */
export function lazyProgram(): string {
  const path = join(dirname(ADDON), 'frazil-lazy');
  if (existsSync(path)) return path;
  const message = `Cannot restore lazily: the program "${path}" is missing. Run "npm run build:native", or "npm rebuild frazil" where it is a dependency`;
  throw new CheckpointError('ADDON_MISSING', message, { tried: [path] });
}

const VERSION = 3;

const EVENTS = [undefined, 'ready', 'restored', 'filled', 'failed', 'refused'] as const;
const FAULTS = [
  'none',
  'source',
  'server-died',
  'guardian-died',
  'system',
  'unregistered',
  'protocol',
  'caller',
] as const;
export type LazyFault = (typeof FAULTS)[number];

export interface LazyMessage {
  readonly event: Exclude<(typeof EVENTS)[number], undefined>;
  readonly fault: LazyFault;
  /** An errno; for `server-died` a signal, or a status. */
  readonly error: number;
  /** The pid whose image it is about, in its own pid namespace. */
  readonly image: number;
  readonly vaddr: bigint;
  /** Which restore of the service. */
  readonly tree: number;
  readonly op: string;
  /** Of the chain that the page lies in: 1 is the parent. */
  readonly level: number;
}

const MESSAGE_BYTES = 72;
const OP_AT = 40;
const LEVEL_AT = 68;

/** One packet from the service. Throws PROTOCOL for one of another build. */
export function parseLazyMessage(bytes: Uint8Array): LazyMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const event =
    bytes.length === MESSAGE_BYTES && view.getUint32(0, true) === VERSION && EVENTS[view.getUint32(4, true)];
  if (typeof event !== 'string')
    throw new CheckpointError(
      'PROTOCOL',
      'Cannot understand frazil-lazy: it is of another build. Rebuild the addon',
      {},
    );
  const op = bytes.subarray(OP_AT, LEVEL_AT);
  return {
    event,
    fault: FAULTS[view.getUint32(8, true)] ?? 'system',
    error: view.getInt32(12, true),
    image: Number(view.getBigUint64(16, true)),
    vaddr: view.getBigUint64(24, true),
    tree: Number(view.getBigUint64(32, true)),
    op: new TextDecoder().decode(op.subarray(0, Math.max(0, op.indexOf(0)))),
    level: view.getUint32(LEVEL_AT, true),
  };
}

const COUNTERS = [
  'tasks',
  'endedTasks',
  'totalPages',
  'donePages',
  'forkedPages',
  'droppedPages',
  'copiedPages',
  'zeroPages',
  'faults',
  'zeroFaults',
  'faultMaxNs',
  'lastFaultNs',
  'forks',
  'remaps',
  'removes',
  'unmaps',
  'replayedPages',
  'sourceBytes',
  'cachedBytes',
  'readyNs',
  'restoredNs',
  'firstFaultNs',
  'filledNs',
  'cpuNs',
] as const;
const STEPS = 4;
const BUCKETS = 25 * STEPS;
const HEAD_BYTES = 8;
const BOARD_BYTES = HEAD_BYTES + 8 * (COUNTERS.length + BUCKETS);

/** The counters of a service at some moment, alive or dead: native/lazy/messages.h says what each is. */
export interface LazyCounters extends Readonly<Record<(typeof COUNTERS)[number], number>> {
  readonly serverPid: number;
  /** How many faults were answered in each span of time: see `latencyMicros`. */
  readonly latency: readonly number[];
}

/** Reads the memory that the service shares with us. `undefined` before it has made it. */
export function readLazyCounters(board: Fd): LazyCounters | undefined {
  const bytes = Buffer.alloc(BOARD_BYTES);
  if (readSync(board.number, bytes, 0, BOARD_BYTES, 0) < BOARD_BYTES || bytes.readUInt32LE(0) !== VERSION)
    return undefined;
  const at = (i: number): number => Number(bytes.readBigUInt64LE(HEAD_BYTES + 8 * i));
  const named = Object.fromEntries(COUNTERS.map((name, i) => [name, at(i)])) as Record<
    (typeof COUNTERS)[number],
    number
  >;
  const latency = Array.from({ length: BUCKETS }, (_, i) => at(COUNTERS.length + i));
  return { serverPid: bytes.readUInt32LE(4), ...named, latency };
}

/** The upper end of a span of `latency`, in microseconds. */
export function latencyMicros(bucket: number): number {
  const power = Math.floor(bucket / STEPS) - 1;
  return power < 0 ? 1 : 2 ** power * (1 + ((bucket % STEPS) + 1) / STEPS);
}
