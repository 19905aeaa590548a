// The restore verb: a tree from an images directory, adopted as our child unless told otherwise. restoring.ts does it.

import { resolve } from 'node:path';
import { encodeOptions } from '../options/request.js';
import type { RestoreOptions } from '../options/types.js';
import type { Notify } from '../rpc/session.js';
import { LOG_LEVEL, NO_FDS } from './dump.js';
import { type Operation, operation } from './operation.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import type { ImagesDirectory } from './target.js';
import type { Tree } from './tree.js';

export type { RestoreProgress } from './restore-plan.js';

export interface RestoreCall extends RestoreOptions {
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  /** Asked at each of CRIU's notifications. Refusing ends the restore, except at `pre-resume` and `post-resume`. */
  readonly notify?: Notify;
  readonly signal?: AbortSignal;
}

/**
 * Restores the tree that `source` holds, under the pids that it had.
 *
 * Rejects with RESTORE_REFUSED (causes, log lines and remedy in `detail`), IMAGES_CORRUPT (no checkpoint there), CRIU_MISSING,
 * CRIU_DIED, IO or ABORTED. Then no task of the tree is left: an abort that comes when it runs already kills it. The images are
 * untouched, unless `autoDedup` uses them up.
 */
export function restore(source: ImagesDirectory, call: RestoreCall = {}): Operation<RestoreProgress, Tree> {
  const { criu, notify, signal, ...options } = call;
  // Adopted unless told otherwise: only a parent learns the exit status.
  const encode: RestorePlan['encode'] = (own) =>
    encodeOptions('restore', { logLevel: LOG_LEVEL, restoreSibling: true, ...options }, own);
  encode(NO_FDS);
  return operation(signal, async (work) => {
    // Loaded when the first restore is asked for.
    const { runRestore } = await import('./restoring.js');
    return runRestore({ imagesDir: resolve(source.path), criu, notify, options, encode }, work);
  });
}
