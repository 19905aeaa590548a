// A lazy restore of a checkpoint with parents, or of one whose pages are not marked (unmarked.ts). CRIU reads all that lies in a parent, and all that
// is not marked, before the tree runs; so it is given one level without parents, in memory, in which what may come lazily is marked and left
// out, and the server of the pages is given the chain.

import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { holdsCheckpoint, openDirectory } from '../images/staging.js';
import type { Work } from './operation.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import { runRestore } from './restoring.js';
import type { Tree } from './tree.js';

export type Run<T> = (plan: RestorePlan, work: Work<RestoreProgress>) => Promise<T>;

/** As runRestore(). A chain that is broken is refused with an error that names the level. A page server has the pages of the last dump alone. */
export function restoreChain(plan: RestorePlan, work: Work<RestoreProgress>): Promise<Tree> {
  return stagingChain(runRestore, plan, work);
}

export async function stagingChain<T>(run: Run<T>, plan: RestorePlan, work: Work<RestoreProgress>): Promise<T> {
  if (
    plan.lazy === undefined ||
    plan.lazy.pageServer !== undefined ||
    plan.pages !== undefined ||
    !(await needsStaging(plan.imagesDir, work.signal))
  )
    return run(plan, work);
  const { stageWholeChain } = await import('./stage-chain.js');
  await using staged = await stageWholeChain(plan, work.signal);
  const { imagesDir: named, options } = plan;
  const { imagesDir, pages } = staged;
  const workDir = options.workDir ?? named;
  const place = { imagesDir, ...(pages === undefined ? {} : { pages }) };
  return await run({ named, ...plan, ...place, options: { ...options, workDir } }, work);
}

/** Whether CRIU would read before the tree runs what may come later. */
export async function needsStaging(imagesDir: string, signal: AbortSignal): Promise<boolean> {
  const [chained, lacking] = await Promise.allSettled([hasParent(imagesDir), lacksMarks(imagesDir, signal)]);
  if (chained.status === 'fulfilled' && chained.value) return true;
  if (lacking.status === 'rejected') throw lacking.reason;
  return lacking.value;
}

// Also one that leads nowhere.
async function hasParent(imagesDir: string): Promise<boolean> {
  return lstat(join(imagesDir, 'parent')).then(
    () => true,
    () => false,
  );
}

// What is no checkpoint at all is said by whoever restores.
async function lacksMarks(imagesDir: string, signal: AbortSignal): Promise<boolean> {
  if (!(await holdsCheckpoint(imagesDir))) return false;
  const { unmarkedRanges } = await import('../images/unmarked.js');
  using directory = await openDirectory(imagesDir);
  return (await unmarkedRanges(imagesDir, directory, signal)).length > 0;
}
