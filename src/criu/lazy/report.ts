// From the service's counters to what a caller reads. Pure.

import { type LazyCounters, latencyMicros } from '../../addon/lazy-program.js';
import type { FaultLatency, FillProgress, FillReport } from './options.js';

const PAGE = 4096;
const NS_PER_MS = 1e6;

/** Times of CLOCK_MONOTONIC, in nanoseconds. */
export interface Moments {
  /** When restore() was called. */
  readonly asked: number;
  /** When CRIU said that the tree runs; absent where CRIU is not ours: then when it said so to the server. */
  readonly running: number | undefined;
}

export function faultLatency({ latency, faultMaxNs }: LazyCounters): FaultLatency {
  const max = Math.round(faultMaxNs / 1000);
  // A quantile is the upper end of its bucket, which may lie above the longest wait.
  return { p50: Math.min(quantile(latency, 0.5), max), p99: Math.min(quantile(latency, 0.99), max), max };
}

function quantile(latency: readonly number[], share: number): number {
  const total = latency.reduce((sum, n) => sum + n, 0);
  if (total === 0) return 0;
  let seen = 0;
  const bucket = latency.findIndex((n) => {
    seen += n;
    return seen >= total * share;
  });
  return latencyMicros(bucket);
}

function runningSince({ restoredNs }: LazyCounters, { asked, running }: Moments): number {
  return running ?? Math.max(restoredNs, asked);
}

export function fillProgress(counters: LazyCounters, moments: Moments, now: number): FillProgress {
  const bytes = doneBytes(counters);
  const elapsedMs = (now - runningSince(counters, moments)) / NS_PER_MS;
  return {
    phase: 'filling',
    bytes,
    totalBytes: counters.totalPages * PAGE,
    ...(bytes > 0 && elapsedMs > 0 ? { bytesPerSecond: (bytes / elapsedMs) * 1000 } : {}),
    elapsedMs,
    faults: counters.faults,
    faultLatencyUs: faultLatency(counters),
  };
}

// What the tasks gave up is not missing any more, either.
function doneBytes({ donePages, droppedPages }: LazyCounters): number {
  return (donePages + droppedPages) * PAGE;
}

export function fillReport(counters: LazyCounters, moments: Moments): FillReport {
  const { asked } = moments;
  const running = runningSince(counters, moments);
  const first = counters.firstFaultNs === 0 ? running : Math.min(counters.firstFaultNs, running);
  return {
    firstInstructionMs: (first - asked) / NS_PER_MS,
    filledMs: (Math.max(counters.filledNs, running) - asked) / NS_PER_MS,
    faults: counters.faults,
    zeroFaults: counters.zeroFaults,
    faultLatencyUs: faultLatency(counters),
    bytes: {
      total: counters.totalPages * PAGE,
      copied: counters.copiedPages * PAGE,
      zero: counters.zeroPages * PAGE,
      dropped: counters.droppedPages * PAGE,
      forked: counters.forkedPages * PAGE,
      replayed: counters.replayedPages * PAGE,
      read: counters.sourceBytes,
      shared: sharedBytes(counters),
      cached: counters.cachedBytes,
    },
    tasks: counters.tasks,
    events: { forks: counters.forks, remaps: counters.remaps, removes: counters.removes, unmaps: counters.unmaps },
    cpuMs: counters.cpuNs / NS_PER_MS,
  };
}

// Two that ask for a page at once have both read it.
function sharedBytes({ copiedPages, zeroPages, sourceBytes }: LazyCounters): number {
  return Math.max(0, (copiedPages + zeroPages) * PAGE - sourceBytes);
}
