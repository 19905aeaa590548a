// What an iteration has cost, and what a final dump would cost now: all that depends on the machines, the link and the tree is taken from
// what the iterations have shown.

import type { TransferCounters } from '../../addon/page-streams.js';
import { type Dirtied, type DowntimeModel, type Prediction, predictDirty, predictDowntime } from '../prediction.js';
import type { IterationReport, Tracking } from './options.js';
import type { Shape } from './shape.js';

/** Counted over one level. */
export interface Counted {
  readonly number: number;
  readonly ms: number;
  readonly lookMs: number;
  readonly start: TransferCounters;
  readonly end: TransferCounters;
  readonly tracking: Tracking;
  /** See IterationReport. */
  readonly throttle?: number;
}

export interface Measured extends Counted, Shape {
  readonly roundTripMs: number;
  /** Of a restore at the destination. */
  readonly fillBytesPerSecond: number;
  readonly paceMs: DowntimeModel['paceMs'];
  readonly frozenMs: number | undefined;
}

const PAGE_BYTES = 4096;
const MS_PER_S = 1000;
const NS_PER_MS = 1e6;
// What takes less is no measure.
const MIN_LOOKING_MS = 0.01;

export function measure(level: Measured, iterations: readonly IterationReport[]): IterationReport {
  const counted = count(level, iterations.at(-1));
  const { bytes, changedBytes, wireBytes, wireBytesPerSecond } = counted;
  const { ms, lookMs, roundTripMs, fillBytesPerSecond, tracking, paceMs, tasks, areasMs, frozenMs } = level;
  // In the final dump one task of CRIU fetches the pages, which takes as long as it takes us; comparing goes on beside it, but so does
  // taking them out of the pipes.
  const lookingMs = Math.max(counted.readMs + counted.sortMs, MIN_LOOKING_MS);
  const treeBytes = Math.max(bytes, iterations[0]?.bytes ?? 0);
  // A page was last seen when the kernel forgot who had written, or, on average, when half of the looking was over.
  const unseenMs = tracking === 'soft-dirty' ? ms : ms - lookMs / 2;
  const dirtied = dirtiedOf(counted) ?? { changedBytes, sinceMs: ms };
  const before = iterations.at(-1);
  const prediction = predictDowntime({
    bytes: treeBytes,
    lookedAtBytes: tracking === 'soft-dirty' ? 0 : treeBytes,
    dirtyBytes: Math.min(
      treeBytes,
      // Of a tree at another speed nothing can be told.
      predictDirty(dirtied, before?.throttle === counted.throttle ? dirtiedOf(before) : undefined, unseenMs),
    ),
    // What travelled had arrived when the word of it set out.
    wireBytesPerSecond: Math.max(wireBytesPerSecond, (wireBytes / Math.max(ms - roundTripMs, lookMs, 1)) * MS_PER_S),
    dumpBytesPerSecond: (bytes / lookingMs) * MS_PER_S,
    fillBytesPerSecond,
    roundTripMs,
    paceMs,
    tasks,
    areasMs,
    frozenMs,
    wireRatio: changedBytes === 0 ? 1 : wireBytes / changedBytes,
  });
  return { ...counted, ...prediction };
}

function dirtiedOf({ changedBytes, sinceMs }: Pick<IterationReport, 'changedBytes' | 'sinceMs'>): Dirtied | undefined {
  return sinceMs === undefined ? undefined : { changedBytes, sinceMs };
}

/** Without a prediction: of a level after which nothing follows. */
export function count(
  { number, ms, lookMs, start, end, tracking, throttle = 0 }: Counted,
  before: IterationReport | undefined,
): Omit<IterationReport, keyof Prediction> {
  const changedBytes = (end.sentPages - start.sentPages) * PAGE_BYTES;
  const wireBytes = end.wireBytes - start.wireBytes;
  const sinceMs =
    before === undefined ? undefined : tracking === 'soft-dirty' ? before.ms : before.ms + (lookMs - before.lookMs) / 2;
  return {
    number,
    bytes: (end.pagesIn - start.pagesIn) * PAGE_BYTES,
    changedBytes,
    zeroPages: end.zeroPages - start.zeroPages,
    samePages: end.samePages - start.samePages,
    patchedBytes: (end.patchedPages - start.patchedPages) * PAGE_BYTES,
    patchBytes: end.patchBytes - start.patchBytes,
    packedBytes: (end.packedPages - start.packedPages) * PAGE_BYTES,
    bodyBytes: end.bodyBytes - start.bodyBytes,
    wireBytes,
    ms,
    lookMs,
    sinceMs,
    throttle,
    dirtyBytesPerSecond: sinceMs === undefined ? undefined : changedBytes / (sinceMs / MS_PER_S),
    wireBytesPerSecond: Math.max(wireBytes / (ms / MS_PER_S), before?.wireBytesPerSecond ?? 0, 1),
    readMs: (end.readNs - start.readNs) / NS_PER_MS,
    sortMs: (end.sortNs - start.sortNs) / NS_PER_MS,
    stallMs: (end.stallNs - start.stallNs) / NS_PER_MS,
  };
}
