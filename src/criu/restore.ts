// The restore verb: a tree from an images directory, adopted as our child unless told otherwise. restoring.ts does it.

import { resolve } from 'node:path';
import type { Archive } from '../archive/archive.js';
import type { RewriteRules } from '../images/rewrite/rules.js';
import { encodeOptions } from '../options/request.js';
import type { RestoreOptions } from '../options/types.js';
import type { Notify } from '../rpc/session.js';
import type { Copies } from './copies/restore-copies.js';
import { LOG_LEVEL, NO_FDS } from './dump.js';
import type { LazyOptions } from './lazy/options.js';
import { type Operation, operation } from './operation.js';
import type { Run, stagingChain } from './restore-chain.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import type { ImagesDirectory } from './target.js';
import type { Tree } from './tree.js';

export type { Copies } from './copies/restore-copies.js';
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
  /** Restores the tree as something else: other ports, addresses, names, paths (docs/rewrite.md). */
  readonly as?: RewriteRules;
}

export interface CopiesCall extends Omit<RestoreCall, (typeof NOT_WITH_COPIES)[number]> {
  /**
   * Restores so many trees out of the checkpoint, lazily, each in a pid namespace of its own, in which it has the pids that it had; all are
   * filled by one server, which reads and decompresses a page once. `done` then gives them and their common filling. 1 to 1000.
   */
  readonly copies: number;
}

/**
 * Restores the tree that `source` holds, under the pids that it had.
 *
 * Rejects with RESTORE_REFUSED (causes, log lines and remedy in `detail`), IMAGES_CORRUPT (no checkpoint there), CRIU_MISSING,
 * CRIU_DIED, IO or ABORTED. Then no task of the tree is left: an abort that comes when it runs already kills it. The images are
 * untouched, unless `autoDedup` uses them up. An archive is read and checked to its end before anything is restored, and may be refused
 * with ARCHIVE_CORRUPT, ARCHIVE_LOCKED or ARCHIVE_UNTRUSTED; without `workDir`, the log of a failure lies in a folder of its own.
 */
export function restore(source: ImagesDirectory | Archive, call: CopiesCall): Operation<RestoreProgress, Copies>;
export function restore(source: ImagesDirectory | Archive, call?: RestoreCall): Operation<RestoreProgress, Tree>;
export function restore(
  source: ImagesDirectory | Archive,
  call: RestoreCall & Partial<CopiesCall> = {},
): Operation<RestoreProgress, Tree | Copies> {
  const { criu, notify, signal, lazy, copies, as, ...options } = call;
  if (copies !== undefined) checkCopies(call, copies);
  const lazily = lazyOptions(copies === undefined ? lazy : (lazy ?? true));
  // CRIU would punch holes into the files that the server reads.
  if (lazily !== undefined && options.autoDedup === true)
    throw new RangeError('Cannot restore lazily with autoDedup: it would use up the checkpoint while it is being read');
  if (as !== undefined) checkRewriting(lazily, options);
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
    // Loaded when the first restore is asked for, all at once: what fails here fails where it is needed, too.
    if (lazily !== undefined) import('./lazy/begin.js').catch(() => {});
    const { restoreChain, stagingChain } = await import('./restore-chain.js');
    const whole: Run<Tree> = as === undefined ? restoreChain : await runRewritten(as);
    const run: Run<Tree | Copies> = copies === undefined ? whole : await runCopies(copies, stagingChain);
    if (source.kind !== 'archive') return run({ ...common, imagesDir: resolve(source.path) }, work);
    const { restoreArchive } = await import('./restore-archive.js');
    return restoreArchive({ archive: source, run, needs: as === undefined ? 'images' : 'pages' }, common, work);
  });
}

async function runRewritten(rules: RewriteRules): Promise<Run<Tree>> {
  const { rewriting } = await import('./restore-rewritten.js');
  return rewriting(rules);
}

async function runCopies(copies: number, staging: typeof stagingChain): Promise<Run<Copies>> {
  const { restoreCopies } = await import('./copies/restore-copies.js');
  return (plan, work) => staging((staged, running) => restoreCopies(copies, staged, running), plan, work);
}

const MOST_COPIES = 1000;

// What can be there once only, or is about one tree.
const NOT_WITH_COPIES = ['notify', 'as', 'inheritFd', 'orphanPtsMaster', 'shellJob'] as const;

function checkCopies(call: RestoreCall, copies: number): void {
  if (!(Number.isInteger(copies) && copies >= 1 && copies <= MOST_COPIES))
    throw new RangeError(`Cannot restore ${copies} copies: it must be a whole number from 1 to ${MOST_COPIES}`);
  if (call.lazy === false) throw new RangeError('Cannot restore copies eagerly: they share the server of their pages');
  if (typeof call.lazy === 'object' && call.lazy.pageServer !== undefined)
    throw new RangeError('Cannot restore copies from a page server: it has the pages of one tree');
  const given = NOT_WITH_COPIES.find((name) => call[name] !== undefined && call[name] !== false);
  if (given !== undefined) throw new RangeError(`Cannot restore copies with ${given}: it is about one tree`);
}

function checkRewriting(lazily: LazyOptions | undefined, options: RestoreOptions): void {
  if (lazily?.pageServer !== undefined)
    throw new RangeError('Cannot rewrite with lazy.pageServer, whose pages are those of the checkpoint: rewrite that');
  // The checkpoint is the parent of what is restored then, and would be used up.
  if (options.autoDedup === true)
    throw new RangeError('Cannot rewrite in a restore with autoDedup: it would use up the checkpoint');
}

const MAX_THREADS = 64;
const MIN_RATE = 1024;
const MAX_CACHE = 2 ** 40;

function lazyOptions(lazy: boolean | LazyOptions | undefined): LazyOptions | undefined {
  if (lazy === undefined || lazy === false) return undefined;
  if (lazy === true) return {};
  const { threads, bytesPerSecond, cacheBytes } = lazy;
  if (bytesPerSecond !== undefined && !(bytesPerSecond >= MIN_RATE))
    throw new RangeError(`Cannot use lazy.bytesPerSecond ${bytesPerSecond}: it must be at least ${MIN_RATE}`);
  if (cacheBytes !== undefined && !(cacheBytes >= 0 && cacheBytes <= MAX_CACHE))
    throw new RangeError(`Cannot use lazy.cacheBytes ${cacheBytes}: it must be from 0 to ${MAX_CACHE}`);
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS))
    throw new RangeError(`Cannot use lazy.threads ${threads}: it must be a whole number from 1 to ${MAX_THREADS}`);
  return lazy;
}
