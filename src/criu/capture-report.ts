// What a dump or a pre-dump has to say at its end.

import { type DumpStats, readDumpStats } from '../images/stats.js';
import type { StoreChoice } from '../pages/store.js';
import { type CapturePlan, capture } from './capture.js';
import type { Located } from './locate.js';
import type { Work } from './operation.js';
import type { CaptureProgress } from './progress.js';

/** Times are CRIU's, in microseconds, unless the name says otherwise; pages have 4096 bytes. */
export interface CaptureReport {
  readonly pid: number;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly logFile: string;
  /** From the request until all tasks stood still. */
  readonly freezingTimeUs: number;
  /** How long the tasks stood still. */
  readonly frozenTimeUs: number;
  readonly memdumpTimeUs: number;
  readonly memwriteTimeUs: number;
  /** Page bytes that CRIU handed over. */
  readonly bytesReceived: number;
  /** Page bytes in the images directory; what is missing to bytesReceived are zero pages, which became holes. */
  readonly bytesWritten: number;
  /** As CRIU counts: private memory and shared memory. */
  readonly pagesScanned: number;
  readonly pagesSkippedParent: number;
  readonly pagesWritten: number;
  readonly zeroPages: number;
  /** Pages freed in ancestors by autoDedup. */
  readonly deduplicatedPages: number;
  readonly wallMs: number;
  /** Of Frazil's threads that moved pages. */
  readonly sinkCpuMs: number;
  /** Page bytes that entered this process's user space. */
  readonly bytesUser: number;
  readonly store: StoreChoice;
  readonly criu: Located;
}

/** Captures, and joins CRIU's figures with the sink's. */
export async function captureReport(plan: CapturePlan, work: Work<CaptureProgress>): Promise<CaptureReport> {
  const captured = await capture(plan, work);
  const { imagesDir, workDir, store, criu, wallMs } = captured;
  const stats = await readDumpStats(workDir);
  const counters = captured.sink.counters();
  return {
    pid: plan.pid,
    imagesDir,
    workDir,
    logFile: `${workDir}/${plan.logFile}`,
    ...times(stats),
    bytesReceived: counters.bytesIn,
    bytesWritten: counters.bytesIn - counters.sparsePages * PAGE_BYTES,
    pagesScanned: Number(stats.pages_scanned) + Number(stats.shpages_scanned ?? 0),
    pagesSkippedParent: Number(stats.pages_skipped_parent) + Number(stats.shpages_skipped_parent ?? 0),
    pagesWritten: Number(stats.pages_written) + Number(stats.shpages_written ?? 0),
    zeroPages: counters.zeroPages,
    deduplicatedPages: counters.deduplicatedPages,
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
