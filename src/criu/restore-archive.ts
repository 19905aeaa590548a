// A restore whose images come out of an archive: staged where CRIU can read them, restored, and gone again when CRIU has answered.

import { mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Archive } from '../archive/archive.js';
import { stageImages } from '../archive/read/stage.js';
import { stageLazily } from '../archive/read/stage-lazily.js';
import type { Work } from './operation.js';
import type { Run } from './restore-chain.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';

interface FromArchive<T> {
  readonly archive: Archive;
  readonly run: Run<T>;
  /** Of what it finds in the images directory: also the pages that could be left in the archive. */
  readonly needs: 'images' | 'pages';
}

/** The images as a directory, for as long as the restore takes. Lazily only what CRIU restores itself, if the archive allows that. */
async function stage(
  { archive, needs }: Pick<FromArchive<unknown>, 'archive' | 'needs'>,
  { lazy }: Pick<RestorePlan, 'lazy'>,
  work: Work<RestoreProgress>,
): Promise<Pick<RestorePlan, 'imagesDir' | 'pages'> & AsyncDisposable> {
  const begun = performance.now();
  const lazily = lazy === undefined || needs === 'pages' ? undefined : await stageLazily(archive, work.signal);
  if (lazily !== undefined) return lazily;
  return stageImages(archive, {
    signal: work.signal,
    report: ({ bytes }) => work.emit({ phase: 'reading', bytes, elapsedMs: performance.now() - begun }),
  });
}

export async function restoreArchive<T>(
  { archive, run, needs }: FromArchive<T>,
  plan: Omit<RestorePlan, 'imagesDir' | 'named'>,
  work: Work<RestoreProgress>,
): Promise<T> {
  await using staged = await stage({ archive, needs }, plan, work);
  const { imagesDir, pages } = staged;
  // CRIU's log outlives the images when the restore fails: it says why.
  const { workDir = await mkdtemp(join(tmpdir(), 'frazil-restore-')) } = plan.options;
  const own = plan.options.workDir === undefined;
  const options = { ...plan.options, workDir };
  try {
    const restored = await run(
      { ...plan, options, imagesDir, named: archive.name, ...(pages === undefined ? {} : { pages }) },
      work,
    );
    if (own) await rm(workDir, { recursive: true, force: true });
    return restored;
  } finally {
    // Unless there is something in it.
    if (own) await rmdir(workDir).catch(() => {});
  }
}
