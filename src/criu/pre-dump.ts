// The pre-dump verb: memory only, the tree runs on, and from then on the kernel tracks what changes.

import { encodeOptions } from '../options/request.js';
import type { PreDumpOptions } from '../options/types.js';
import type { CapturePlan } from './capture.js';
import type { CaptureReport } from './capture-report.js';
import { assertPid, LOG_LEVEL, NO_FDS, report } from './dump.js';
import { type Operation, operation } from './operation.js';
import type { CaptureProgress } from './progress.js';
import type { ImagesDirectory } from './target.js';

export interface PreDumpCall extends PreDumpOptions {
  readonly to: ImagesDirectory;
  /** As for dump(); the tree does not wait. */
  readonly sync?: boolean;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  readonly signal?: AbortSignal;
}

/**
 * Dumps the memory of the tree below `pid` and lets it run on. Its directory can be the `parent` of the next pre-dump or of the final
 * dump, which then carry only what has changed.
 *
 * Rejects as dump() does; FEATURE_MISSING where the kernel has no soft-dirty tracking. Always, the tree runs on, and a failed pre-dump
 * leaves no checkpoint; after one, dump with the parent that was the last good one.
 */
export function preDump(pid: number, call: PreDumpCall): Operation<CaptureProgress, CaptureReport> {
  assertPid(pid);
  const { to, sync = false, criu, signal, ...options } = call;
  const encode: CapturePlan['encode'] = (own) =>
    encodeOptions('preDump', { logLevel: LOG_LEVEL, ...options, trackMem: true }, own);
  encode(NO_FDS);
  return operation(signal, async (work) => {
    const plan: CapturePlan = {
      verb: 'pre-dump',
      pid,
      open: async () => {
        const { openDirectoryPlace } = await import('./directory-place.js');
        return openDirectoryPlace({ to, workDir: options.workDir, parent: options.parent, sync });
      },
      logFile: options.logFile ?? 'pre-dump.log',
      parent: options.parent,
      // CRIU sends the pages of a pre-dump when the tree runs again: there is no freeze to shorten.
      absorb: 'never',
      runsOn: true,
      autoDedup: options.autoDedup === true,
      criu,
      encode,
      notify: undefined,
    };
    return report(plan, work);
  });
}
