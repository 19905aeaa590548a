// A runtime's dump through the page plane: the runtime's own options, Frazil's sink. What CRIU has answered, the runtime is told
// when the images are in their place.

import { appendFile } from 'node:fs/promises';
import type { CapturePlan } from '../../criu/capture.js';
import type { CaptureReport } from '../../criu/capture-report.js';
import { openDirectoryPlace } from '../../criu/directory-place.js';
import { report } from '../../criu/dump.js';
import type { Work } from '../../criu/operation.js';
import type { CaptureProgress } from '../../criu/progress.js';
import { imagesDirectory } from '../../criu/target.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { CriuRequest } from '../../schema/rpc.js';
import { dumpOpts, isDump } from './dump-opts.js';
import { type Directories, directoriesOf } from './request.js';
import { answer, connectSeated, failed, type SeatedRequest } from './seated-request.js';
import type { SeatedSession } from './seated-session.js';

/** Whether the pages of this request can come to us: not those that go to a page server, or stay for a lazy one. */
export function isOurs(request: CriuRequest): boolean {
  const { opts } = request;
  if (!isDump(request)) return false;
  return opts?.pid !== undefined && opts.ps === undefined && opts.lazy_pages !== true;
}

/**
 * Dumps, and answers the runtime, which hears a failure of ours as one of CRIU's. Rejects as dump() does; `seated` stays the caller's
 * to dispose.
 */
export async function seatedDump(asked: SeatedRequest, work: Work<CaptureProgress>): Promise<CaptureReport> {
  const { seated, request } = asked;
  let session: SeatedSession | undefined;
  try {
    const directories = await directoriesOf(seated.asker, request.opts);
    const opts = await dumpOpts(request.opts);
    const plan = planOf(asked, directories, async (connecting) => {
      const connection = await connectSeated(asked, opts, connecting);
      session = connection.session;
      return connection;
    });
    const made = await report(plan, work);
    answer(asked, session?.answer ?? failed(request, undefined));
    return made;
  } catch (error) {
    const said = session?.answer;
    // CRIU may have served what we could not bring to its end, and refused what we have.
    if (said?.success !== false || !isRefusal(error)) await tellInLog(asked, error);
    answer(asked, said?.success === false ? said : failed(request, error));
    throw error;
  }
}

function planOf(
  { request: { type, opts }, criu }: SeatedRequest,
  { imagesDir, workDir }: Directories,
  connectTo: NonNullable<CapturePlan['connect']>,
): CapturePlan {
  const verb = verbOf(type);
  // As CRIU itself does.
  const to = imagesDirectory(imagesDir, { replace: true });
  return {
    verb,
    pid: opts.pid ?? 0,
    open: () => openDirectoryPlace({ to, workDir, parent: opts.parent_img, sync: false }),
    logFile: opts.log_file ?? `${verb}.log`,
    parent: opts.parent_img,
    absorb: verb === 'dump' ? 'auto' : 'never',
    runsOn: verb === 'pre-dump' || (opts.leave_running === true && opts.leave_stopped !== true),
    autoDedup: opts.auto_dedup === true,
    criu,
    encode: (own) => ({ opts: { ...opts, ...own }, configLines: [], defaultConfig: true }),
    notify: undefined,
    connect: connectTo,
  };
}

function verbOf(type: CriuRequest['type']): CapturePlan['verb'] {
  return type === 'DUMP' ? 'dump' : 'pre-dump';
}

function isRefusal(error: unknown): boolean {
  return CheckpointError.is(error, 'DUMP_REFUSED');
}

// A runtime prints the lines of CRIU's log that say "Error" and nothing else of a reason. What cannot be told there stays untold.
async function tellInLog({ seated, request: { opts, type } }: SeatedRequest, error: unknown): Promise<void> {
  const number = opts.work_dir_fd ?? opts.images_dir_fd;
  const log = `/proc/${seated.asker}/fd/${number}/${opts.log_file ?? `${verbOf(type)}.log`}`;
  const reason = error instanceof Error ? error.message : String(error);
  await appendFile(log, `Error (frazil): ${reason}\n`, { mode: 0o600 }).catch(() => {});
}
