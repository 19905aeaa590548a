// The dump verb. Its pages arrive on our own socket, not in CRIU's files: see capture.ts.

import type { Archive } from '../archive/archive.js';
import { writeChoices } from '../archive/write/choices.js';
import { encodeOptions } from '../options/request.js';
import type { DumpOptions } from '../options/types.js';
import type { Absorb } from '../pages/store.js';
import type { Notify } from '../rpc/session.js';
import type { CapturePlan } from './capture.js';
import type { CapturePlace } from './capture-place.js';
import type { CaptureReport } from './capture-report.js';
import type { CheckpointReport } from './checkpoint.js';
import { chooseNetworkLock } from './network-lock.js';
import { type Operation, operation, type Work } from './operation.js';
import type { CaptureProgress } from './progress.js';
import type { ImagesDirectory } from './target.js';

export type { CaptureReport } from './capture-report.js';
export type { CheckpointReport } from './checkpoint.js';

interface Call extends DumpOptions {
  /** Default `auto`: into memory first when the tree runs on and there is room, so that it is not frozen for a disk. */
  readonly absorb?: Absorb;
  /**
   * Whether the checkpoint has reached the disk (fsync) when the dump is done, so that it survives a crash of the machine. A tree that is
   * to be killed waits for it. Default false, as CRIU does: docs/adr/0006.
   */
  readonly sync?: boolean;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  /**
   * Asked at each of CRIU's notifications; a pending promise holds CRIU, until `held.signal` says that nobody waits any more. At `post-dump` the pages are written, and after `proceed`
   * the images are moved to their directory and the tree is killed (or runs on): refusing there resumes it, and no checkpoint is left.
   */
  readonly notify?: Notify;
  readonly signal?: AbortSignal;
}

export interface DumpCall extends Call {
  readonly to: ImagesDirectory;
}

/** An archive holds everything, so it has no `parent`. */
export interface CheckpointCall extends Omit<Call, 'parent' | 'autoDedup'> {
  readonly to: Archive;
}

/**
 * Dumps the process tree below `pid` and kills it, unless `leaveRunning` or `leaveStopped`.
 *
 * Rejects with DUMP_REFUSED (causes, log lines and remedy in `detail`), NO_SUCH_PROCESS, CRIU_MISSING, CRIU_DIED, IMAGES_EXIST,
 * IMAGES_CORRUPT (a broken parent), IO, PROTOCOL, FEATURE_MISSING or ABORTED; throws TypeError or RangeError for misuse before anything
 * happens. Then the tree runs on and the images directory is as it was, but for CRIU's log, with one exception: the images of a tree
 * that is about to be killed are moved to their directory first, and a CRIU that fails or dies after that (DUMP_REFUSED, CRIU_DIED)
 * leaves a whole checkpoint there, and the tree killed or running. An abort that comes so late is not heard. For an archive the same
 * holds of its file: none under the final name, or a whole one.
 *
 * A CRIU that died has not given the connections of a tree that runs on back to it. Frazil does that; where it cannot, the message
 * of CRIU_DIED says what is left.
 */
export function dump(pid: number, call: DumpCall): Operation<CaptureProgress, CaptureReport>;
export function dump(pid: number, call: CheckpointCall): Operation<CaptureProgress, CheckpointReport>;
export function dump(
  pid: number,
  { to, absorb = 'auto', sync = false, criu, notify, signal, ...options }: DumpCall | CheckpointCall,
): Operation<CaptureProgress, CaptureReport | CheckpointReport> {
  assertPid(pid);
  const asked: DumpOptions = options;
  const encode = (networkLock?: DumpOptions['networkLock']): CapturePlan['encode'] => {
    return (own) => encodeOptions('dump', { logLevel: LOG_LEVEL, ...asked, ...(networkLock && { networkLock }) }, own);
  };
  encode()(NO_FDS);
  if (to.kind === 'archive') assertArchive(to, asked);
  return operation(signal, async (work) => {
    const networkLock = await chooseNetworkLock({ pid, ...asked });
    const planOf = (open: CapturePlan['open']): CapturePlan => ({
      verb: 'dump',
      pid,
      open,
      logFile: asked.logFile ?? 'dump.log',
      parent: asked.parent,
      absorb,
      runsOn: asked.leaveRunning === true && asked.leaveStopped !== true,
      autoDedup: asked.autoDedup === true,
      criu,
      encode: encode(networkLock),
      notify,
    });
    const { workDir, parent } = asked;
    if (to.kind === 'archive') {
      const { checkpointReport } = await import('./checkpoint.js');
      return checkpointReport({ to, workDir, sync, planOf }, work);
    }
    const open = async (): Promise<CapturePlace> => {
      const { openDirectoryPlace } = await import('./directory-place.js');
      return openDirectoryPlace({ to, workDir, parent, sync });
    };
    return report(planOf(open), work);
  });
}

function assertArchive(to: Archive, { parent, autoDedup }: DumpOptions): void {
  if (parent !== undefined || autoDedup !== undefined)
    throw new TypeError('Cannot dump to an archive with parent or autoDedup: an archive holds everything');
  if (to.from.kind === 'stream') throw new TypeError('Cannot dump to a stream that is read: pass a path or an fd');
  writeChoices(to);
}

// Loaded when the first dump is asked for: an import of Frazil shall cost a program nothing that it does not use.
export async function report(plan: CapturePlan, work: Work<CaptureProgress>): Promise<CaptureReport> {
  const { captureReport } = await import('./capture-report.js');
  return captureReport(plan, work);
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
