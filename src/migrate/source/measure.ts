// What an iteration has cost, and what a final dump would cost now: all that depends on the machines, the link and the tree is taken from
// what the iterations have shown.

import type { TransferCounters } from '../../addon/page-streams.js';
import { predictDowntime } from '../policy.js';
import type { IterationReport } from './options.js';

/** Counted over one level. */
export interface Counted {
  readonly number: number;
  readonly ms: number;
  readonly start: TransferCounters;
  readonly end: TransferCounters;
}

export interface Measured extends Counted {
  /** Threads that sent. */
  readonly streams: number;
  readonly roundTripMs: number;
  /** Of a restore at the destination. */
  readonly fillBytesPerSecond: number;
}

const PAGE_BYTES = 4096;
const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

export function measure(level: Measured, before: IterationReport | undefined): IterationReport {
  const counted = count(level, before);
  const { bytes, changedBytes, wireBytes, wireBytesPerSecond, dirtyBytesPerSecond } = counted;
  const { ms, streams, roundTripMs, fillBytesPerSecond, start, end } = level;
  // While the link is waited for, nothing is looked at.
  const lookingMs = Math.max(ms - (end.stallNs - start.stallNs) / NS_PER_MS / streams, 1);
  const predictedDowntimeMs = predictDowntime({
    bytes,
    dirtyBytesPerSecond: dirtyBytesPerSecond ?? changedBytes / (ms / MS_PER_S),
    lastMs: ms,
    wireBytesPerSecond,
    dumpBytesPerSecond: (bytes / lookingMs) * MS_PER_S,
    fillBytesPerSecond,
    roundTripMs,
    wireRatio: changedBytes === 0 ? 1 : wireBytes / changedBytes,
  });
  return { ...counted, predictedDowntimeMs };
}

/** Without a prediction: of a level after which nothing follows. */
export function count(
  { number, ms, start, end }: Counted,
  before: IterationReport | undefined,
): Omit<IterationReport, 'predictedDowntimeMs'> {
  const changedBytes = (end.sentPages - start.sentPages) * PAGE_BYTES;
  const wireBytes = end.wireBytes - start.wireBytes;
  return {
    number,
    bytes: (end.pagesIn - start.pagesIn) * PAGE_BYTES,
    changedBytes,
    zeroPages: end.zeroPages - start.zeroPages,
    samePages: end.samePages - start.samePages,
    packedBytes: (end.packedPages - start.packedPages) * PAGE_BYTES,
    bodyBytes: end.bodyBytes - start.bodyBytes,
    wireBytes,
    ms,
    // All of it changed since the one before read it.
    dirtyBytesPerSecond: before === undefined ? undefined : changedBytes / (before.ms / MS_PER_S),
    wireBytesPerSecond: Math.max(wireBytes / (ms / MS_PER_S), before?.wireBytesPerSecond ?? 0, 1),
  };
}
