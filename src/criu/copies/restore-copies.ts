// Several trees out of one checkpoint, each in a pid namespace of its own, all served by one frazil-lazy: what it has read or decompressed
// for one copy it gives to all.

import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { FILES_LAYOUT, readWholeEntries } from '../../images/entries.js';
import { holdsCheckpoint, openDirectory } from '../../images/staging.js';
import { verifyImages } from '../../images/verify.js';
import { mapFew } from '../../pages/few.js';
import { criuDied } from '../../rpc/failure.js';
import { type BegunLazily, beginLazily } from '../lazy/begin.js';
import type { Filling } from '../lazy/options.js';
import { locate } from '../locate.js';
import type { Work } from '../operation.js';
import type { RestorePlan, RestoreProgress } from '../restore-plan.js';
import type { Tree } from '../tree.js';
import { type StartedCopy, startCopy } from './copy.js';

export interface Copies {
  readonly trees: readonly Tree[];
  /** Of all of them. Disposing it kills those that are not filled. */
  readonly filling: Filling;
}

/** As runRestore(). When one copy fails, or on an abort, none is left; the error's log is that of the first that failed. */
export async function restoreCopies(copies: number, plan: RestorePlan, work: Work<RestoreProgress>): Promise<Copies> {
  const { imagesDir, named = imagesDir, lazy = {}, pages, options } = plan;
  const { asked = Number(process.hrtime.bigint()) } = plan;
  work.emit({ phase: 'starting', elapsedMs: 0 });
  const { path: criu } = await locate({ criu: plan.criu });
  if (!(await holdsCheckpoint(imagesDir))) throw noCheckpoint(imagesDir);
  const workDir = resolve(options.workDir ?? imagesDir);
  using images = await openDirectory(imagesDir);
  await verifyImages(imagesDir, images, work.signal);
  const call = { options: lazy, images, imagesDir: named, pages, workDir, trees: copies, asked };
  await using begun = await beginLazily(call);
  const together = (await bindsPath(imagesDir)) ? 1 : copies;
  const all: All = { plan, criu, images, begun, workDir, named, together };
  const trees = await startAll(copies, all, work);
  return { trees, filling: begun.handOver() };
}

interface All {
  readonly plan: RestorePlan;
  readonly criu: string;
  readonly images: Fd;
  readonly begun: BegunLazily;
  readonly workDir: string;
  readonly named: string;
  /** How many may be under way at once. */
  readonly together: number;
}

// CRIU removes what has the path of a unix socket, and binds: of two that do so at once, one fails. One after the other they all come
// up, and the last has the path.
async function bindsPath(imagesDir: string): Promise<boolean> {
  const files = await readWholeEntries(join(imagesDir, 'files.img'), FILES_LAYOUT);
  // The name of an abstract socket begins with a zero.
  return files.some(({ usk }) => usk !== undefined && usk.name.length > 0 && usk.name[0] !== 0);
}

async function startAll(copies: number, all: All, work: Work<RestoreProgress>): Promise<readonly Tree[]> {
  const given = new AbortController();
  const signal = AbortSignal.any([work.signal, given.signal, all.begun.lost]);
  // Each copy listens for itself.
  setMaxListeners(0, signal, work.signal);
  const logs = Array.from({ length: copies }, (_, i) => `restore-${i + 1}.log`);
  const trees: Tree[] = [];
  let first: Failed | undefined;
  const fail = (failed: Failed): void => {
    first ??= failed;
    given.abort(new Error('another copy has failed'));
  };
  const one = async (logFile: string): Promise<void> => {
    if (signal.aborted) return;
    const started = await start(all, logFile, signal);
    if (started.kind === 'runs') trees.push(started.tree);
    else fail({ logFile, started });
    work.emit({ phase: 'restoring', elapsedMs: 0 });
  };
  await mapFew(logs, one, all.together);
  if (first === undefined && !signal.aborted) return trees;
  await Promise.all(trees.map(async (tree) => tree.kill().then(() => tree.exited)));
  throw await failure(all, first, work.signal);
}

type Ended = Exclude<StartedCopy, { kind: 'runs' }> | { readonly kind: 'threw'; readonly error: unknown };

interface Failed {
  readonly logFile: string;
  readonly started: Ended;
}

async function start({ plan, criu, images, begun }: All, logFile: string, signal: AbortSignal) {
  return startCopy({ plan, criu, images, workDir: begun.workDir, logFile, signal }).catch(
    (error: unknown): Ended => ({ kind: 'threw', error }),
  );
}

async function failure(all: All, failed: Failed | undefined, signal: AbortSignal): Promise<unknown> {
  const { begun, workDir, named } = all;
  if (signal.aborted) {
    const message = `Cannot finish the restore of copies of "${named}": the caller aborted it. No task of them is left`;
    return new CheckpointError('ABORTED', message, { imagesDir: named }, { cause: signal.reason });
  }
  if (begun.lost.aborted || failed === undefined) return begun.failure();
  const { logFile, started } = failed;
  if (started.kind === 'threw') return started.error;
  await begun.keep([logFile]);
  const path = join(workDir, logFile);
  const { answer, stderr } = started;
  if (answer.kind === 'hung-up') return criuDied(answer, { request: 'RESTORE', imagesDir: named, logFile: path });
  const log = await readFile(path, 'utf8').catch(() => '');
  const { refused } = await import('../../errors/refused.js');
  return refused('restore', { imagesDir: named, log, logFile: path, stderr, answer });
}

function noCheckpoint(imagesDir: string): CheckpointError<'IMAGES_CORRUPT'> {
  const message = `Cannot restore "${imagesDir}": it holds no whole checkpoint (inventory.img is missing). Name the images directory of a dump that ended well`;
  return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir, path: join(imagesDir, 'inventory.img') });
}
