// A dump whose place is an archive: from live memory to one finished file, in one pass.

import { resolve } from 'node:path';
import type { Archive } from '../archive/archive.js';
import { compressFor } from '../archive/write/format.js';
import { namesItsLog } from '../errors/checkpoint-error.js';
import { openScratch } from '../images/scratch.js';
import { type ArchivePlace, openArchivePlace } from './archive-place.js';
import { type CapturePlan, capture } from './capture.js';
import { type CaptureFigures, figuresOf } from './capture-report.js';
import type { Work } from './operation.js';
import type { CaptureProgress } from './progress.js';

/** Times are CRIU's, in microseconds, unless the name says otherwise; pages have 4096 bytes. */
export interface CheckpointReport extends CaptureFigures {
  /** The file's path, or `fd N`. */
  readonly archive: string;
  readonly profile: string;
  readonly compress: 'none' | 'zstd' | 'lz4' | 'gzip';
  /** The digest of the whole, in hex, when its members were digested. */
  readonly sha256?: string;
  readonly encrypted: boolean;
  /** Length of the archive, holes included. */
  readonly archiveBytes: number;
  /** Of page bytes that went over a disk before the archive, as there was no memory for them. */
  readonly bytesSpilled: number;
}

/** What a dump decides in the same way whatever its place is. */
export type PlanOf = (open: CapturePlan['open']) => CapturePlan;

export interface CheckpointRequest {
  readonly to: Archive;
  readonly workDir: string | undefined;
  readonly sync: boolean;
  readonly planOf: PlanOf;
}

/**
 * Captures to an archive. A failure leaves no file under its name; CRIU's log stays when it explains the failure, in `workDir` or
 * in the folder that the error names.
 */
export async function checkpointReport(
  { to, workDir, sync, planOf }: CheckpointRequest,
  work: Work<CaptureProgress>,
): Promise<CheckpointReport> {
  await using own = workDir === undefined ? await openScratch('work') : undefined;
  const path = own?.path ?? resolve(workDir ?? '.');
  let place: ArchivePlace | undefined;
  const plan = planOf(async (criu) => {
    place = await openArchivePlace({ pid: plan.pid, to, workDir: path, logFile: plan.logFile, sync, criu });
    return place;
  });
  try {
    const report = await capture(plan, work, async (captured) => ({
      ...(await figuresOf(plan.pid, captured)),
      archive: captured.place.path,
      profile: to.writing.profile ?? 'neutral',
      compress: compressFor(to),
      archiveBytes: place?.bytes() ?? 0,
      ...(place?.seal() ?? { encrypted: false }),
      bytesSpilled: captured.sink.counters().bytesSpilled,
    }));
    return report;
  } catch (error) {
    if (namesItsLog(error)) await own?.keep();
    throw error;
  }
}
