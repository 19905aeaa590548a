// The restore verb: a tree from an images directory, adopted as our child unless told otherwise. restoring.ts does it.

import { resolve } from 'node:path';
import type { Archive } from '../archive/archive.js';
import type { RewriteRules } from '../images/rewrite/rules.js';
import { encodeOptions } from '../options/request.js';
import type { RestoreOptions } from '../options/types.js';
import type { Notify } from '../rpc/session.js';
import { LOG_LEVEL, NO_FDS } from './dump.js';
import type { LazyOptions } from './lazy/options.js';
import { type Operation, operation } from './operation.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import type { ImagesDirectory } from './target.js';
import type { Tree } from './tree.js';

export type { FaultLatency, Filling, FillProgress, FillReport, LazyOptions } from './lazy/options.js';
export type { RestoreProgress } from './restore-plan.js';

export interface RestoreCall extends RestoreOptions {
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  /** Asked at each of CRIU's notifications. Refusing ends the restore, except at `pre-resume` and `post-resume`. */
  readonly notify?: Notify;
  readonly signal?: AbortSignal;
  /** Lets the tree run first and fills its memory behind it: `done` then gives a tree with a `filling`. */
  readonly lazy?: boolean | LazyOptions;
  /** Restores the tree as something else: other ports, addresses, names, paths (docs/rewrite.md). Not lazily, not from an archive. */
  readonly as?: RewriteRules;
}

/**
 * Restores the tree that `source` holds, under the pids that it had.
 *
 * Rejects with RESTORE_REFUSED (causes, log lines and remedy in `detail`), IMAGES_CORRUPT (no checkpoint there), CRIU_MISSING,
 * CRIU_DIED, IO or ABORTED. Then no task of the tree is left: an abort that comes when it runs already kills it. The images are
 * untouched, unless `autoDedup` uses them up. An archive is read and checked to its end before anything is restored, and may be refused
 * with ARCHIVE_CORRUPT, ARCHIVE_LOCKED or ARCHIVE_UNTRUSTED; without `workDir`, the log of a failure lies in a folder of its own.
 */
export function restore(source: ImagesDirectory | Archive, call: RestoreCall = {}): Operation<RestoreProgress, Tree> {
  const { criu, notify, signal, lazy, as, ...options } = call;
  const lazily = lazyOptions(lazy);
  // CRIU would punch holes into the files that the server reads.
  if (lazily !== undefined && options.autoDedup === true)
    throw new RangeError('Cannot restore lazily with autoDedup: it would use up the checkpoint while it is being read');
  if (as !== undefined) checkRewriting({ lazily, source, options });
  if (source.kind === 'archive' && lazily?.pageServer !== undefined)
    throw new RangeError('Cannot use lazy.pageServer with an archive, which has its pages: name the images directory');
  // Adopted unless told otherwise: only a parent learns the exit status.
  const encode: RestorePlan['encode'] = (own) =>
    encodeOptions(
      'restore',
      { logLevel: LOG_LEVEL, restoreSibling: true, ...options, ...(lazily === undefined ? {} : { lazyPages: true }) },
      own,
    );
  encode(NO_FDS);
  const asked = Number(process.hrtime.bigint());
  const common = { criu, notify, options, lazy: lazily, asked, encode };
  return operation(signal, async (work) => {
    // Loaded when the first restore is asked for.
    if (source.kind === 'archive') {
      const { restoreArchive } = await import('./restore-archive.js');
      return restoreArchive(source, common, work);
    }
    if (as !== undefined) {
      const { restoreRewritten } = await import('./restore-rewritten.js');
      return restoreRewritten({ ...common, imagesDir: resolve(source.path) }, as, work);
    }
    const { restoreChain } = await import('./restore-chain.js');
    return restoreChain({ ...common, imagesDir: resolve(source.path) }, work);
  });
}

interface Rewriting {
  readonly lazily: LazyOptions | undefined;
  readonly source: ImagesDirectory | Archive;
  readonly options: RestoreOptions;
}

function checkRewriting({ lazily, source, options }: Rewriting): void {
  if (lazily !== undefined || source.kind === 'archive')
    throw new RangeError('Cannot rewrite in a lazy restore or one from an archive: rewrite the images directory first');
  // The checkpoint is the parent of what is restored then, and would be used up.
  if (options.autoDedup === true)
    throw new RangeError('Cannot rewrite in a restore with autoDedup: it would use up the checkpoint');
}

const MAX_THREADS = 64;
const MIN_RATE = 1024;

function lazyOptions(lazy: boolean | LazyOptions | undefined): LazyOptions | undefined {
  if (lazy === undefined || lazy === false) return undefined;
  if (lazy === true) return {};
  const { threads, bytesPerSecond } = lazy;
  if (bytesPerSecond !== undefined && !(bytesPerSecond >= MIN_RATE))
    throw new RangeError(`Cannot use lazy.bytesPerSecond ${bytesPerSecond}: it must be at least ${MIN_RATE}`);
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS))
    throw new RangeError(`Cannot use lazy.threads ${threads}: it must be a whole number from 1 to ${MAX_THREADS}`);
  return lazy;
}
