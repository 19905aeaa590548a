// What a dump, a pre-dump or a checkpoint has to say at its end.

import { type DumpStats, readDumpStats } from '../images/stats.js';
import type { StoreChoice } from '../pages/store.js';
import { type Captured, type CapturePlan, capture } from './capture.js';
import type { Located } from './locate.js';
import type { Work } from './operation.js';
import type { CaptureProgress } from './progress.js';

/** Times are CRIU's, in microseconds, unless the name says otherwise; pages have 4096 bytes. */
export interface CaptureFigures {
  readonly pid: number;
  /** From the request until all tasks stood still. */
  readonly freezingTimeUs: number;
  /** How long the tasks stood still. */
  readonly frozenTimeUs: number;
  readonly memdumpTimeUs: number;
  readonly memwriteTimeUs: number;
  /** Page bytes that CRIU handed over. */
  readonly bytesReceived: number;
  /** As CRIU counts: private memory and shared memory. */
  readonly pagesScanned: number;
  readonly pagesSkippedParent: number;
  readonly pagesWritten: number;
  /** Pages of zeros. Of pages that go straight to a file, those that follow each other, 16 and more: they become holes. */
  readonly zeroPages: number;
  readonly wallMs: number;
  /** Of Frazil's threads that moved pages. */
  readonly sinkCpuMs: number;
  /** Page bytes that entered this process's user space. */
  readonly bytesUser: number;
  readonly store: StoreChoice;
  readonly criu: Located;
}

export interface CaptureReport extends CaptureFigures {
  readonly imagesDir: string;
  readonly workDir: string;
  readonly logFile: string;
  /** Page bytes in the images directory; what is missing to bytesReceived are zero pages, which became holes. */
  readonly bytesWritten: number;
  /** Pages freed in ancestors by autoDedup. */
  readonly deduplicatedPages: number;
}

/** Captures to an images directory. */
export async function captureReport(plan: CapturePlan, work: Work<CaptureProgress>): Promise<CaptureReport> {
  return capture(plan, work, async (captured) => {
    const { path: imagesDir, workDir } = captured.place;
    const { bytesIn, sparsePages, deduplicatedPages } = captured.sink.counters();
    return {
      imagesDir,
      workDir,
      logFile: `${workDir}/${plan.logFile}`,
      ...(await figuresOf(plan.pid, captured)),
      bytesWritten: bytesIn - sparsePages * PAGE_BYTES,
      deduplicatedPages,
    };
  });
}

/** Joins CRIU's figures with the sink's. */
export async function figuresOf(pid: number, { place, sink, store, criu, wallMs }: Captured): Promise<CaptureFigures> {
  const stats = await readDumpStats(place.workDir);
  const counters = sink.counters();
  return {
    pid,
    ...times(stats),
    bytesReceived: counters.bytesIn,
    pagesScanned: Number(stats.pages_scanned) + Number(stats.shpages_scanned ?? 0),
    pagesSkippedParent: Number(stats.pages_skipped_parent) + Number(stats.shpages_skipped_parent ?? 0),
    pagesWritten: Number(stats.pages_written) + Number(stats.shpages_written ?? 0),
    zeroPages: counters.zeroPages,
    wallMs: Math.round(wallMs),
    sinkCpuMs: Math.round(counters.cpuNs / 1e6),
    bytesUser: counters.bytesUser,
    store,
    criu,
  };
}

const PAGE_BYTES = 4096;

function times(
  stats: DumpStats,
): Pick<CaptureReport, 'freezingTimeUs' | 'frozenTimeUs' | 'memdumpTimeUs' | 'memwriteTimeUs'> {
  return {
    freezingTimeUs: stats.freezing_time,
    frozenTimeUs: stats.frozen_time,
    memdumpTimeUs: stats.memdump_time,
    memwriteTimeUs: stats.memwrite_time,
  };
}
