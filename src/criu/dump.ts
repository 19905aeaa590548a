// The dump verb. Its pages arrive on our own socket, not in CRIU's files: see capture.ts.

import { type DumpStats, readDumpStats } from '../images/stats.js';
import { encodeOptions } from '../options/request.js';
import type { DumpOptions } from '../options/types.js';
import type { Absorb, StoreChoice } from '../pages/store.js';
import type { Notification, Verdict } from '../rpc/session.js';
import { type Captured, type CapturePlan, capture } from './capture.js';
import type { Located } from './locate.js';
import { chooseNetworkLock } from './network-lock.js';
import { type Operation, operation } from './operation.js';
import type { CaptureProgress } from './progress.js';
import type { ImagesDirectory } from './target.js';

export interface DumpCall extends DumpOptions {
  readonly to: ImagesDirectory;
  /** Default `auto`: into memory first when the tree runs on and there is room, so that it is not frozen for a disk. */
  readonly absorb?: Absorb;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  /**
   * Asked at each of CRIU's notifications; a pending promise holds CRIU. At `post-dump` the pages are written, and after `proceed`
   * the images are moved to their directory and the tree is killed (or runs on): refusing there resumes it, and no checkpoint is left.
   */
  readonly notify?: (notification: Notification) => Verdict | Promise<Verdict>;
  readonly signal?: AbortSignal;
}

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

/**
 * Dumps the process tree below `pid` and kills it, unless `leaveRunning` or `leaveStopped`.
 *
 * Rejects with DUMP_REFUSED (causes, log lines and remedy in `detail`), NO_SUCH_PROCESS, CRIU_MISSING, CRIU_DIED, IMAGES_EXIST,
 * IMAGES_CORRUPT (a broken parent), IO, PROTOCOL, FEATURE_MISSING or ABORTED; throws TypeError or RangeError for misuse before anything
 * happens. In all these cases the tree runs on and the images directory is as it was, but for CRIU's log. An abort comes too late,
 * and is not heard, once the images are being moved to their directory; a CRIU that fails after that leaves a whole checkpoint there,
 * and the tree killed or running.
 */
export function dump(pid: number, call: DumpCall): Operation<CaptureProgress, CaptureReport> {
  assertPid(pid);
  const { to, absorb = 'auto', criu, notify, signal, ...options } = call;
  const encode = (networkLock?: DumpOptions['networkLock']): CapturePlan['encode'] => {
    return (own) =>
      encodeOptions('dump', { logLevel: LOG_LEVEL, ...options, ...(networkLock && { networkLock }) }, own);
  };
  encode()(NO_FDS);
  return operation(signal, async (work) => {
    const networkLock = await chooseNetworkLock({ pid, ...options });
    const plan: CapturePlan = {
      verb: 'dump',
      pid,
      imagesDir: to.path,
      replace: to.replace,
      workDir: options.workDir,
      logFile: options.logFile ?? 'dump.log',
      parent: options.parent,
      absorb,
      runsOn: options.leaveRunning === true && options.leaveStopped !== true,
      autoDedup: options.autoDedup === true,
      criu,
      encode: encode(networkLock),
      notify,
    };
    return report(plan, await capture(plan, work));
  });
}

/** CRIU's debug level costs little (docs/performance.md) and is what a failure is explained from. */
export const LOG_LEVEL = 4;
/** For checking options before there is anything to open. */
export const NO_FDS = { images_dir_fd: -1, work_dir_fd: -1 } as const;
const PID_MAX = 2 ** 22;

export function assertPid(pid: number): void {
  if (Number.isInteger(pid) && pid >= 1 && pid <= PID_MAX) return;
  throw new RangeError(`Cannot use ${pid} as a pid: it is a whole number from 1 to ${PID_MAX}`);
}

/** Joins CRIU's figures with the sink's. */
export async function report(plan: CapturePlan, captured: Captured): Promise<CaptureReport> {
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
